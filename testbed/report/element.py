# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements of HTML, as text."""

import html


def escape(text):
    return html.escape(text, quote=True)


def element(name, content="", **attributes):
    """
    An element. A trailing underscore of an attribute's name is left out; others become hyphens.
    """
    text = "".join(' %s="%s"' % (key.rstrip("_").replace("_", "-"), escape(str(value)))
                   for key, value in attributes.items() if value is not None)
    return "<%s%s>%s</%s>" % (name, text, content, name)
