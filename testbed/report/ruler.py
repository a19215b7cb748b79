# SPDX-License-Identifier: GPL-2.0-or-later
"""The byte stream of one side, as a ruler."""

import model
from element import LETTER, element, label

RULER, RULER_ROW = 860, 22
RULER_BLOCKS_MAX = 300


def blocks(runs, y, scale, css):
    parts = []
    if len(runs) > RULER_BLOCKS_MAX:
        width = runs[-1][1] * scale
        lengths = [end - first for first, end in runs]
        return [
            element("rect", x=0.0, y=y, width=float(width), height=RULER_ROW - 4, class_=css),
            label(
                8, y + 13, "%s of up to %s" %
                (model.count(len(runs), "packet"), model.count(max(lengths), "byte")), "block")
        ]
    for first, end in runs:
        x, width = first * scale, (end - first) * scale
        text = str(end - first)
        parts.append(
            element("rect", element("title", "bytes %d to %d" % (first, end - 1)), x=float(x), y=y,
                    width=float(max(width, 0.6)), height=RULER_ROW - 4, class_=css))
        if width > LETTER * len(text) + 4:
            parts.append(label(x + width / 2, y + 13, text, "block middle"))
    return parts


def ruler(c, side):
    """How a stream came to the box, how it left, and what never left."""
    stream = c.stream[side]
    total = stream.length
    scale = RULER / total
    source, sink = model.SIDES[side], model.SIDES[1 - side]
    parts = [label(0, 12, "the %s sent, in packets of" % source, "row")]
    parts += blocks(stream.arrivals, 16, scale, "arrival")
    parts.append(label(0, 52, "the box sent on", "row"))
    parts += blocks(stream.cuts, 56, scale, "cut")
    acked, delivered = min(stream.acked, total), min(stream.delivered, total)
    if acked > delivered:
        x, width = delivered * scale, (acked - delivered) * scale
        parts.append(
            element("rect", x=float(x), y=56, width=float(width), height=RULER_ROW - 4,
                    class_="missing", style="fill:url(#hatch%d)" % c.number))
        text = "%s ACKed, never delivered" % model.count(acked - delivered, "byte")
        at_end = x + LETTER * len(text) > RULER
        parts.append(
            label(RULER if at_end else x, 102, text, "missing-text" + (" end" if at_end else "")))
    free, last = 0, RULER - LETTER * len(str(total))
    for offset in sorted({0, delivered, acked, total}):
        x = offset * scale
        parts.append(element("line", x1=float(x), x2=float(x), y1=56, y2=78, class_="tick"))
        width = LETTER * len(str(offset))
        if offset == total or free <= x <= last - width:
            parts.append(
                label(x, 87, str(offset), "tick-text" + (" end" if offset == total else "")))
            free = x + width
    return element(
        "svg", "".join(parts), viewBox="-2 0 %d 106" % (RULER + 4), width=RULER + 4, height=106,
        class_="ruler", role="img",
        aria_label="%s sent %d bytes; %d were ACKed, %d delivered to the %s" %
        (source, total, acked, delivered, sink))
