# SPDX-License-Identifier: GPL-2.0-or-later
"""The ladder: what went between client, box and server, and the bytes that are orphaned."""

import model
from element import LETTER, element, escape, label
from layout import BOTTOM, FOLD, STEP, TOP, Layout
from notes import details, notes

# In pixels. page.js has no numbers of its own: it gets these.
TIME, CLIENT, BOX, SERVER = 84, 110, 400, 690
LANE, LANE_WIDTH, WIDTH = 730, 130, 880
PLACE = (CLIENT, BOX, SERVER)
NOTE_MAX = 47		# characters of a note, to the end of the ladder


def arrow_head(x, y, right):
    dx = -7 if right else 7
    return "M%g %g L%g %g L%g %g Z" % (x, y, x + dx, y - 3.5, x + dx, y + 3.5)


def way_svg(c, layout, way, number, nodes, below, is_cut, first):
    ys = [layout.y(place) for place in nodes]
    xs = [PLACE[node.place] for node in way.nodes][:len(nodes)]
    right = xs[-1] > xs[0]
    end = xs[-1]
    if way.lost or is_cut:	# half of its last leg
        end = (xs[-2] + xs[-1]) / 2
    css = "way" + (" made" if way.made_by_box else "") + \
        (" " + way.kind if way.kind not in ("", "forged") else "") + \
        (" forged" if way.lacks else "") + (" never" if way.never else "")
    points = " ".join("%g,%.1f" % (x, y) for x, y in zip(xs[:-1] + [end], ys))
    parts = []
    said = None
    for leg in range(len(nodes) - 1):
        text = model.packet_text(c, way, leg)
        if text == said:
            continue
        said = text
        room = int((abs(xs[leg + 1] - xs[leg]) - 24) / LETTER)
        text = text if len(text) <= room else text[:room - 1] + "…"
        # The label goes where the packet starts: packets that start there one after the other have
        # a line each.
        parts.append(
            label(xs[leg] + (9 if right else -9), ys[leg] - 4.5, text,
                  "packet" + ("" if right else " left"), data_leg=leg))
    parts.append(element("polyline", points=points))
    if is_cut:
        pass
    elif way.lost:
        parts.append(
            element("path", d="M%g %g l8 8 m0 -8 l-8 8" % (end - 4, ys[-1] - 4), class_="x"))
    else:
        parts.append(element("path", d=arrow_head(xs[-1], ys[-1], right), class_="head"))
    for (kind, text), note in zip(notes(way), below):
        text = text if len(text) <= NOTE_MAX else text[:NOTE_MAX - 1] + "…"
        y = layout.y(note)
        if kind in ("stall", "fault", "resume", "orphaned"):
            parts.append(
                element("rect", x=BOX - 5, y=float(y - 9), width=10, height=10,
                        class_="mark " + kind, data_note=note))
        x = end - 12 if kind == "lost" else CLIENT + 8 if kind.startswith(
            "forged") and not way.by_client else BOX + 14
        parts.append(label(x, y, text, "note " + kind, data_note=note))
    told = details(c, way)
    return element("g",
                   element("title", escape(told)) + "".join(parts), class_=css,
                   tabindex=0 if first else -1, id="c%dw%d" % (c.number, number), role="listitem",
                   aria_label=told.replace("\n", ". "), data_p=" ".join(map(str, nodes)))


def band(layout, numbers, most, css, **more):
    """Orphaned bytes over time, as steps; nothing if there are none."""
    path = []
    for place, (before, n) in enumerate(zip([0] + numbers, numbers + [0])):
        y = layout.y(min(place, len(numbers) - 1))
        if before or n:
            path.append("%s%.1f H%.1f%s" % ("V" if before else "M%g " % LANE, y,
                                            LANE + LANE_WIDTH * n / most, "" if n else " Z"))
    return element("path", d=" ".join(path), class_=css, data_o=" ".join(map(str, numbers)), **more)


def ladder(c):
    layout = Layout(c)
    height = layout.height()
    parts = [
        element(
            "defs",
            element("pattern", element("path", d="M0 8 L8 0", class_="hatch"),
                    id="hatch%d" % c.number, width=8, height=8, patternUnits="userSpaceOnUse"))
    ]
    there = {node.place for way in c.ways for node in way.nodes}	# there may be no box
    for place in sorted(there):
        x, name = PLACE[place], model.PLACES[place]
        parts.append(element("line", x1=x, x2=x, y1=TOP - 18, y2=float(height), class_="life"))
        parts.append(label(x, 18, name, "place"))
    parts.append(label(TIME - 8, 18, "ms", "time"))
    parts.append(label(TIME - 8, 30, "not to scale", "time"))
    orphaned, never = ([n[i] for n in layout.orphans] for i in range(2))
    most = max(orphaned, default=0)
    if most:
        parts.append(label(LANE, 18, "ACKed, not delivered", "lane"))
        parts.append(band(layout, orphaned, most, "band"))
        peak = orphaned.index(most)
        parts.append(
            label(LANE + 2,
                  layout.y(peak) - 4, model.count(most, "byte"), "lane peak", data_y=peak))
        if never[-1]:
            parts.append(
                band(layout, never, most, "band never", style="fill:url(#hatch%d)" % c.number))
            parts.append(
                label(LANE + 2, height - 4, "never: " + model.count(never[-1], "byte"),
                      "lane never", data_y=len(never) - 1))
    shown = None
    for place, time_ns in enumerate(layout.times):
        text = "%.3f" % (time_ns / 1e6)
        if text != shown:
            parts.append(label(TIME - 8, layout.y(place) + 3, text, "time", data_y=place))
        shown = text
    parts += [way_svg(c, layout, *shown, i == 0) for i, shown in enumerate(layout.ways)]
    for place, text in layout.folds:
        y = layout.y(place)
        parts.append(
            element(
                "g",
                element("rect", x=CLIENT - 8, y=float(y - FOLD + 12), width=SERVER - CLIENT + 16,
                        height=FOLD - 10) + label(
                            (CLIENT + SERVER) / 2, y - FOLD / 2 + 11, "… " + text + " …", "fold"),
                class_="folded", data_y=place))
    return element("svg", "".join(parts), viewBox="0 0 %d %d" % (WIDTH, height), width=WIDTH,
                   height=round(height), class_="ladder", role="list",
                   aria_label="What went between client, box and server, from top to bottom",
                   data_t=" ".join("%d" % t for t in layout.times),
                   data_b=" ".join(map(str, layout.before)), data_scale="%g" % layout.scale,
                   data_const="%d %d %d %d %d" % (TOP, STEP, BOTTOM, LANE, LANE_WIDTH))
