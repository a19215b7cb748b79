# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements of HTML and SVG, as text."""

import html

LETTER = 6.1		# the width of one in a label, in pixels


def escape(text):
    return html.escape(text, quote=True)


def element(name, content="", **attributes):
    """
    An element. A trailing underscore of an attribute's name is left out; others become hyphens.
    """
    text = "".join(' %s="%s"' %
                   (key.rstrip("_").replace("_", "-"),
                    escape("%g" % round(value, 1) if isinstance(value, float) else str(value)))
                   for key, value in attributes.items() if value is not None)
    return "<%s%s>%s</%s>" % (name, text, content, name)


def label(x, y, content, css, **more):
    return element("text", escape(content), x=float(x), y=float(y), class_=css, **more)
