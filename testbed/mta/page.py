# SPDX-License-Identifier: GPL-2.0-or-later

"""
The page of reseg-mta: a heat map of sender and work-around by size, and what is known about each
message. It needs nothing from elsewhere; logs and captures are in a folder beside it.
"""

import html
import os
import urllib.parse

import formats

MARGIN = 16
CELL_WIDTH = 52
CELL_HEIGHT = 22
LINE = 24
LETTER = 7.2	# the width of one in a name, at 13 px
TIMELINE_WIDTH = 720
FILES = [("client/output", "sender's output"), ("server/received", "what the receiver took"),
         ("lab.pcapng", "capture"), ("events.jsonl", "events of the box"), ("lab.log", "lab")]

STYLE = """
:root { --paper: #fff; --ink: #1f2328; --faint: #59636e; --rule: #d1d9e0; --link: #0969da }
body { font: 15px/1.45 "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; margin: 2em;
  background: var(--paper); color: var(--ink) }
a { color: var(--link) }
.scroll { overflow-x: auto }
svg text { font-size: 13px; fill: var(--ink) }
svg .head { font-weight: bold }
svg .faint, .faint { fill: var(--faint); color: var(--faint) }
svg .size { text-anchor: middle }
svg .mark { text-anchor: middle; font-size: 12px; fill: #fff }
svg a:hover rect { stroke: var(--ink); stroke-width: 2 }
.delivered { fill: #2a7f4f }
.deferred { fill: #c4432b }
.stalled { fill: #8f2d1d }
.bounced { fill: #9a2f6f }
.altered { fill: #a05a00 }
.duplicated { fill: #6b46a8 }
.lost { fill: #111 }
.not-run { fill: #8c959f }
.bad { stroke: #e3b341; stroke-width: 3 }
.axis { stroke: var(--rule) }
.try { stroke: var(--ink) }
.told { fill: #9a2f6f }
td { padding-right: 1em; vertical-align: top }
section { border-top: 1px solid var(--rule); padding: .4em 0 .4em .8em }
section:target { border-left: 4px solid var(--link) }
h3 { font-size: 15px; margin: .3em 0 }
p { margin: .3em 0 }
code { font-size: 13px; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) {
:root { --paper: #0d1117; --ink: #f0f6fc; --faint: #9198a1; --rule: #3d444d; --link: #4493f8 }
.lost { fill: #fff }
svg .mark.lost-mark { fill: #111 }
}
"""

def text(x, y, content, css=""):
    return '<text x="%.1f" y="%.1f" class="%s">%s</text>' % (x, y, css, html.escape(content))

def cell(x, y, row, number):
    what = "%s: %s%s" % (formats.title(row), row["outcome"],
                         ". " + row["detail"] if row["detail"] else "")
    return (
        '<a href="#m%d"><title>%s</title>'
        '<rect class="%s%s" x="%.1f" y="%.1f" width="%d" height="%d" rx="3"/>'
        '<text class="mark %s-mark" x="%.1f" y="%.1f">%s</text></a>' %
        (number, html.escape(what), row["outcome"], " bad" if row["outcome"] == "delivered"
         and not row["good"] else "", x, y + 1, CELL_WIDTH - 2, CELL_HEIGHT, row["outcome"],
         x + CELL_WIDTH / 2 - 1, y + 16, formats.MARKS[row["outcome"]]))

def heat_map(rows):
    numbers = {id(row): number for number, row in enumerate(rows)}
    lines = formats.groups(rows)
    shown = formats.columns(lines)[1:]
    sizes = sorted({row["size"] for row in rows})
    names = {key: ", ".join(key[i] for i in shown) for key in lines}
    left = MARGIN + 20 + LETTER * max(len(name) for name in names.values())
    wire = left + CELL_WIDTH * len(sizes) + 12
    width = wire + LETTER * max(len(formats.style(line)) for line in lines.values()) + 60
    parts = []
    y = MARGIN + 12
    for i, size in enumerate(sizes):
        parts.append(text(left + CELL_WIDTH * (i + 0.5), y, str(size), "size head"))
    parts.append(text(wire, y, "on the wire", "faint"))
    sender = None
    y += 8
    for key, line in lines.items():
        if key[0] != sender:
            sender = key[0]
            y += 20
            parts.append(text(MARGIN, y, sender, "head"))
            y += 6
        parts.append(text(MARGIN + 14, y + 16, names[key]))
        for i, size in enumerate(sizes):
            if size in line:
                parts.append(cell(left + CELL_WIDTH * i, y, line[size], numbers[id(line[size])]))
        parts.append(text(wire, y + 16, formats.style(line), "faint"))
        y += LINE
    return '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" role="img">%s</svg>' % (
        width, y + MARGIN, "\n".join(parts))

def links(row, folder, page):
    """Links to the files that there are for a message."""
    place = os.path.join(folder, row["folder"])
    files = FILES + [("client/" + name, "sender's " + name)
                     for name in ("mainlog", "maillog", "log")]
    return " · ".join(
        '<a href="%s">%s</a>' %
        (urllib.parse.quote(os.path.relpath(os.path.join(place, path),
                                            os.path.dirname(page) or ".")), name)
        for path, name in files if os.path.exists(os.path.join(place, path)))


def timeline(row):
    """A picture of when the message was tried, and its author told; and the same in words."""
    steps = row["timeline"]
    scale = TIMELINE_WIDTH / max(steps[-1]["time_s"], 1)
    parts = ['<line class="axis" x1="%d" y1="20" x2="%d" y2="20"/>' % (
        MARGIN, MARGIN + TIMELINE_WIDTH)]
    for step in steps:
        x = MARGIN + scale * step["time_s"]
        name = html.escape("%s: %s" % (formats.duration(step["time_s"]), step["detail"]))
        shape = ('<line class="try" x1="%.1f" y1="14" x2="%.1f" y2="26"/>' % (x, x)
                 if step["event"] == "tried" else
                 '<circle class="told" cx="%.1f" cy="20" r="5"/>' % x)
        parts.append("<g><title>%s</title>%s</g>" % (name, shape))
    words = "".join("<tr><td>%s</td><td>%s</td></tr>" % (formats.duration(time_s),
                                                         html.escape(what))
                    for time_s, what in formats.told(row))
    return ('<div class="scroll"><svg xmlns="http://www.w3.org/2000/svg" width="%d" height="40" '
            'role="img" aria-label="when it was tried (strokes), and its author told (dots)">%s'
            '</svg></div>\n<table>%s</table>' % (TIMELINE_WIDTH + 2 * MARGIN, "\n".join(parts),
                                                 words))


def section(number, row, folder, page):
    parts = [
        '<section id="m%d"><h3>%s: %s</h3>' %
        (number, html.escape(formats.title(row)), row["outcome"])
    ]
    if row["problem"] or row["detail"]:
        parts.append("<p>%s</p>" % html.escape(row["problem"] or row["detail"]))
    if len({one["outcome"] for one in row["recipients"]}) > 1:
        parts += [
            "<p><code>%s</code>: %s</p>" %
            (html.escape(one["address"]),
             html.escape(one["outcome"] + (": " + one["detail"] if one["detail"] else "")))
            for one in row["recipients"]
        ]
    if row.get("timeline"):
        parts.append(timeline(row))
    for connection in row["wire"]:
        parts.append("<p><code>%s</code></p>" % html.escape(" | ".join(connection)))
    if row["folder"] and folder:
        parts.append("<p>%s</p>" % links(row, folder, page))
    return "\n".join(parts) + "</section>"


def write(path, rows, about, expected, folder):
    versions = ", ".join(name + (" " + version if version else "")
                         for name, version in about["versions"].items())
    verdict = "<p>%s</p>" % html.escape(formats.verdict(rows, expected)) if expected else ""
    timeouts = ("time-outs as the packages have them" if about["timeout_s"] == "real" else
                "time-outs of %d s" % about["timeout_s"])
    waits = " ".join(formats.waits(rows, about))
    summary = ("%s. Segment size %d, %s. %s Columns are octets of the envelope. "
               "Each cell links to its logs and its\ncapture." %
               (html.escape(formats.totals(rows)), about["segment_size"], timeouts, waits))
    content = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Mail servers behind the box</title>\
<style>%s</style></head><body>
<h1>Mail servers behind the box</h1>
<p>%s</p>
%s
<p class="faint">%s</p>
<div class="scroll">%s</div>
<h2>Messages</h2>
<p class="faint">With the segments that the sender wrote, and their lengths in octets.</p>
%s
</body></html>
""" % (STYLE, summary, verdict, html.escape(versions), heat_map(rows), "\n".join(
        section(i, row, folder, path) for i, row in enumerate(rows)))
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
