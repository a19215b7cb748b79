# SPDX-License-Identifier: GPL-2.0-or-later

"""
The page: a ladder for each connection that is shown, the byte stream as a ruler, the dialogue
beside it. It is complete without scripts, and needs nothing from elsewhere; page.js moves things in
it.
"""

import collections
import pathlib

import model
from element import element, escape

HERE = pathlib.Path(__file__).resolve().parent

LINES_MAX = 120		# of a dialogue,
LINE_PREVIEW = 36	# and characters of a line in it


def dialogue(c):
    lines = model.dialogue(c)
    if not lines:
        return ""
    numbers = {id(way): number for number, way in enumerate(c.ways)}
    rows = []
    left_out = len(lines) - LINES_MAX
    for i, line in enumerate(lines):
        if left_out > 0 and LINES_MAX // 2 <= i < LINES_MAX // 2 + left_out:
            if i == LINES_MAX // 2:
                rows.append(element("li", "… %s …" % model.count(left_out, "line"), class_="gap"))
            continue
        text = line.text
        if len(text) > LINE_PREVIEW:
            text = "%s… (%s)" % (text[:LINE_PREVIEW], model.count(line.end - line.first, "byte"))
        state = ""
        if not line.delivered:
            is_acked = line.end <= c.stream[line.side].acked
            state = "ACKed, never delivered" if is_acked else "not delivered"
        elif line.came:
            state = "came as " + escape(line.came[:LINE_PREVIEW])
        state = state and " " + element("span", state, class_="state")
        rows.append(
            element(
                "li",
                element("b", "CS"[line.side] + ":") + " " + element("code", escape(text)) + state,
                class_=model.SIDES[line.side] + ("" if line.delivered else " undelivered"),
                data_way="c%dw%d" % (c.number, numbers[id(line.way)])))
    return element("div",
                   element("h3", "What was said") + element("ol", "".join(rows)), class_="dialogue")


def section(c, picture):
    headline = model.headline(c)
    mark = " bad" if any(c.lost_at_end) or model.is_altered(c) else \
        " good" if headline == model.ALL_DELIVERED else ""
    controls = element(
        "p",
        element(
            "label",
            'Time <input type="range" min="0" max="100" step="any" class="zoom"> <output></output>'
        ), class_="controls", hidden="")
    return element(
        "section",
        element("h2", "%s → %s" % (escape(c.name(0)), escape(c.name(1)))) +
        element("p", escape(headline), class_="verdict" + mark) +
        (element("div", picture.rulers, class_="scroll") if picture.rulers else "") +
        # On paper in this order; on a screen the dialogue is on the right.
        element(
            "div",
            dialogue(c) + element(
                "div", controls + element("div", picture.ladder, class_="scroll") + element(
                    "pre", "", class_="details", aria_live="polite", hidden=""), class_="picture"),
            class_="columns"),
        id="c%d" % c.number)


def overview(connections, shown):
    numbers = {c.number for c in shown}
    rows = []
    for c in connections:
        numbers_of = (model.most_at_once(c), *model.totals(c, 0), *model.totals(c, 1))
        name = "%s → %s" % (c.name(0), c.name(1))
        rows.append(
            element(
                "tr",
                element("td", str(c.number)) + element(
                    "td", '<a href="#c%d">%s</a>' %
                    (c.number, escape(name)) if c.number in numbers else escape(name)) +
                "".join(element("td", "{:,}".format(n), class_="n")
                        for n in numbers_of) + element("td", ", ".join(model.words(c))),
                class_="bad" if any(c.lost_at_end) or model.is_altered(c) else "good"))
    head = element("tr", element("th", "", colspan=3) + "".join(
        element("th", "bytes that the %s sent" % side, colspan=3)
        for side in model.SIDES) + element("th"))
    head += element("tr", "".join(element("th", text) for text in (
        "", "connection", "at once", *2 * ("ACKed", "delivered", "orphaned"), "")))
    left_out = len(connections) - len(shown)
    note = element("p", "%s not drawn; reseg-report --connections draws them." % (
        "One is" if left_out == 1 else "%d are" % left_out), class_="faint") if left_out else ""
    table = element("table", head + "".join(rows), class_="overview")
    at_once = "At once: the most bytes that the client sent before the server said more."
    return element("div", table, class_="scroll") + element("p", at_once, class_="faint") + note


LEGEND_WAY = '<svg width="44" height="12"><g class="%s"><polyline points="2,6 42,6"/></g></svg>'
LEGEND = (
    (LEGEND_WAY % "way", "an end’s own packet"),
    (LEGEND_WAY % "way made", "made by the box"),
    (LEGEND_WAY % "way made forged",
     "thick: an ACK for bytes that the other end does not have yet,"),
    (LEGEND_WAY % "way made forged never", "or never gets"),
    ('<svg width="12" height="12">'
     '<rect class="mark stall" x="1" y="1" width="10" height="10"/></svg>',
     "the box holds something back"),
)


def sum_up(connections):
    """For connections without orphans: words for what happened, and a class for a colour."""
    kinds = collections.Counter(model.kind_of(c) for c in connections)
    words = ["%s in %d" % (text, kinds[kind]) for kind, text in (
        ("altered", "the box altered data"), ("unknown", "not all was followed"),
        ("held", "not all data was acknowledged"), ("empty", "no data was sent")) if kinds[kind]]
    if not words:
        return "every byte that was acknowledged was delivered", " good"
    return ", ".join(words), " bad" if kinds["altered"] else ""


def write(path, connections, shown, pictures, title, left_out, missing):
    """Writes the page of these connections; `pictures` are those of the shown ones."""
    title = title or "Behind the box"
    total = sum(sum(c.lost_at_end) for c in connections)
    bad = sum(1 for c in connections if any(c.lost_at_end))
    if not connections:
        lead = element("p", escape(left_out), class_="verdict")
    elif len(connections) == 1:
        lead = ""
    elif bad:
        lead = element(
            "p", "%s of %d ended with %s ACKed to their sender and never delivered." %
            (model.count(bad, "connection"), len(connections), model.count(total, "byte")),
            class_="verdict bad")
    else:
        told, css = sum_up(connections)
        told = "%d connections: %s." % (len(connections), told)
        lead = element("p", told, class_="verdict" + css)
    if missing:
        lead += element("p", escape(missing), class_="verdict bad")
    if connections and left_out:
        lead += element("p", escape(left_out), class_="faint")
    legend = element("p", " ".join(element("span", svg + " " + text) for svg, text in LEGEND),
                     class_="legend")
    body = (
        element("h1", escape(title)) + lead +
        (overview(connections, shown) if len(connections) > 1 else "") + (legend if shown else "") +
        "".join(map(section, shown, pictures)) + (element(
            "p",
            "Up and down arrows go from packet to packet. "
            "Times are milliseconds since the first packet.",
            class_="faint help", hidden="") if shown else ""))
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n" +
        element("title", escape(title)) + "\n" +
        element("style",
                (HERE / "page.css").read_text(encoding="utf-8")) + "\n</head>\n<body>\n" + body +
        "\n" + element("script",
                       (HERE / "page.js").read_text(encoding="utf-8")) + "\n</body>\n</html>\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)


def write_svg(path, ladder):
    """The ladder alone, as a picture."""
    style = (HERE / "page.css").read_text(encoding="utf-8")
    picture = ladder.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, rest = picture.split(">", 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + ">" + element("style", style) +
                   '<rect width="100%" height="100%" style="fill:var(--paper)"/>' + rest + "\n")
