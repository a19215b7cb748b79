# SPDX-License-Identifier: GPL-2.0-or-later

"""
The page: a ladder for each connection that is shown, the byte stream as a ruler, the dialogue
beside it. It is complete without scripts, and needs nothing from elsewhere; page.js moves things in
it.
"""

import bisect
import collections
import html
import pathlib

import model

HERE = pathlib.Path(__file__).resolve().parent

# The ladder, in pixels. page.js has no numbers of its own: it gets these.
TIME, CLIENT, BOX, SERVER = 84, 110, 400, 690
LANE, LANE_WIDTH, WIDTH = 730, 130, 880
PLACE = (CLIENT, BOX, SERVER)
TOP, STEP, NOTE, FOLD, BOTTOM = 46, 16, 5, 34, 16
REAL_MAX = 320		# of the height that the time itself takes, at first
RULER, RULER_ROW = 860, 22
RULER_BLOCKS_MAX = 300
LETTER = 6.1		# the width of one in a label
LINES_MAX = 120		# of a dialogue
PREVIEW = 200		# characters of data in the details,
LINE_PREVIEW = 36	# and of a line in a dialogue,
NOTE_MAX = 47		# and of a note, to the end of the ladder


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


# Where things stand ------------------------------------------------------------------------------


class Layout:
    """
    The places in time of a ladder, one below the other: each is a step further down, and as much
    more as it is later. A place belongs to nodes of ways, to a note below a way, or to a fold.
    """

    def __init__(self, c):
        self.start_ns = c.ways[0].time_ns
        # (way, number, [index of a place for each node], [the same for each note], whether its end
        # is in a fold)
        self.ways = []
        self.folds = []			# (index of a place, text)
        self.times = []			# of places, ns since the beginning
        self.before = []		# pixels that notes and folds before a place take
        runs = model.folds(c.ways)
        folded = {i for first, end in runs for i in range(first, end)}
        limits = fold_limits(c.ways, runs)
        places = []			# (time, way's number, node's number)
        for number, way in enumerate(c.ways):
            if number in folded:
                continue
            flat = len({node.time_ns for node in way.nodes}) == 1
            _, limit = next_fold(limits, number, way)
            places += [(node.time_ns, number, i)
                       for i, node in enumerate(way.nodes[:1] if flat else way.nodes)
                       if node.time_ns <= limit]
            places += [(min(way.nodes[-1].time_ns, limit), number, len(way.nodes) + i)
                       for i in range(len(notes(way)))]
        places += [(limit, first, -1) for first, limit in limits]
        places.sort()
        index, extra = {}, 0
        for time_ns, number, node in places:
            index[number, node] = len(self.times)
            if node < 0:
                extra += FOLD
            self.times.append(time_ns - self.start_ns)
            self.before.append(extra)
            if node >= len(c.ways[number].nodes):
                extra += NOTE
        for number, way in enumerate(c.ways):
            if number in folded:
                continue
            fold, limit = next_fold(limits, number, way)
            nodes = [index.get((number, i), index[number, 0]) for i, node in enumerate(way.nodes)
                     if node.time_ns <= limit]
            if len(nodes) < len(way.nodes):	# it ends in the fold
                nodes.append(index[fold, -1] - 1)
            below = [index[number, len(way.nodes) + i] for i in range(len(notes(way)))]
            self.ways.append((way, number, nodes, below, way.nodes[-1].time_ns > limit))
        for first, end in runs:
            self.folds.append((index[first, -1], model.fold_text(c.ways[first:end])))
        duration = self.times[-1] / 1e9 if self.times else 0
        self.scale = min(REAL_MAX / duration, 1e6) if duration > 0 else 0
        times = [orphans[0] for orphans in c.orphans]
        # For each place: the bytes that are orphaned, and how many of them are never delivered.
        self.orphans = [
            c.orphans[max(0,
                          bisect.bisect_right(times, self.start_ns + t) - 1)][1:]
            for t in self.times
        ]
        # What is between the shown places counts, too.
        for (place, _), (first, _) in zip(self.folds, runs):
            start = c.ways[first].time_ns - self.start_ns
            end = self.times[min(place + 1, len(self.times) - 1)]
            inside = [n for t, *n in c.orphans if start <= t - self.start_ns <= end]
            self.orphans[place] = tuple(map(max, zip(self.orphans[place], *inside)))

    def y(self, place):
        return TOP + STEP * place + self.before[place] + self.scale * self.times[place] / 1e9

    def height(self):
        return self.y(len(self.times) - 1) + BOTTOM if self.times else TOP


def fold_limits(ways, runs):
    """
    When each fold appears in the picture, as (first way, time): once what is shown before it has
    come, but before what is shown after it. What comes later than that has no end in the picture.
    """
    limits, came, at = [], 0, 0
    for first, end in runs:
        came = max(came, max(way.nodes[-1].time_ns for way in ways[at:first]))
        after = ways[end].time_ns if end < len(ways) else came
        limits.append((first, max(ways[first].time_ns, min(came, after))))
        at = end
    return limits


SHORTER = ((" to the client,", ","), (" to the server,", ","), ("the client's bytes ", "bytes "),
           ("the server's bytes ", "bytes "))


def next_fold(limits, number, way):
    """The next fold after a way: its first way, and when it appears."""
    later = ((first, limit) for first, limit in limits if first > number)
    return next(later, (None, way.nodes[-1].time_ns))


def notes(way):
    """What is written below a way: a list of (css, text)."""
    found = []
    parts = collections.defaultdict(list)
    for part in way.comment.split("; "):
        for long, short in SHORTER:
            part = part.replace(long, short)
        parts[part.split(":")[0]].append(part)
    for kind, same in parts.items():
        parts[kind] = [part if n == 1 else "%s, %d times" % (part, n)
                       for part, n in collections.Counter(same).items()]
    kinds = [kind for kind in ("stall", "resume", "fault", "orphaned") if kind in parts]
    if way.never:
        found.append(
            ("forged never",
             "forged: %s %s" % (model.count(way.lacks, "byte"), "never delivered" if way.never
                                == way.lacks else "not delivered, {:,} never".format(way.never))))
    elif way.lacks:
        found.append(("forged", "forged: %s not delivered yet" % model.count(way.lacks, "byte")))
    if "stall" in kinds and "fault" in kinds:
        kinds.remove("fault")
    for kind in kinds:
        found.append((kind, "; ".join((parts["cut"] if kind == kinds[0] else []) + parts[kind])))
    if way.lost and not kinds:
        found.append(("lost", "lost"))
    return found


# The ladder -------------------------------------------------------------------------------------


def arrow_head(x, y, right):
    dx = -7 if right else 7
    return "M%g %g L%g %g L%g %g Z" % (x, y, x + dx, y - 3.5, x + dx, y + 3.5)


def details(c, way):
    """All that is known about a way, for the box below the picture."""
    lines = []
    for leg, packet in enumerate(way.packets):
        text = model.packet_text(c, way, leg)
        if not lines or lines[-1] != text:
            lines.append(text)
    lines = [" -> ".join(lines)]
    who = "The box, as the %s" % model.SIDES[0 if way.by_client else 1] if way.made_by_box else \
        "The " + model.PLACES[way.nodes[0].place]
    lines.append("%s, at %s" % (who, ", ".join("%s %.6f s" %
                                               (model.PLACES[node.place],
                                                (node.time_ns - c.ways[0].time_ns) / 1e9)
                                               for node in way.nodes)))
    if way.comment:
        lines.append(way.comment)
    data = way.packets[0].payload
    if data and model.is_text(data):
        text = "\n".join(
            model.plain(line)
            for line in data[:PREVIEW].decode("latin-1").split("\r\n")).rstrip("\n")
        lines.append(text + (" ..." if len(data) > PREVIEW else ""))
    return "\n".join(lines)


def way_svg(c, layout, way, number, nodes, below, is_cut, first):
    ys = [layout.y(place) for place in nodes]
    xs = [PLACE[node.place] for node in way.nodes][:len(nodes)]
    right = xs[-1] > xs[0]
    end = xs[-1]
    if way.lost or is_cut:	# half of its last leg
        end = (xs[-2] + xs[-1]) / 2
    css = "way" + (" made" if way.made_by_box else "") + (" " + way.kind if way.kind not in ("", "forged") else "") + \
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
        # The label goes where the packet starts: others that start near it have a line of their own
        # there.
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


# The ruler --------------------------------------------------------------------------------------


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


# The dialogue -----------------------------------------------------------------------------------


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


# All --------------------------------------------------------------------------------------------


def section(c):
    rulers = "".join(
        ruler(c, side) for side in range(2) if c.stream[side].intercepted or c.lost_at_end[side])
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
        (element("div", rulers, class_="scroll") if rulers else "") +
        # On paper in this order; on a screen the dialogue is on the right.
        element(
            "div",
            dialogue(c) + element(
                "div", controls + element("div", ladder(c), class_="scroll") + element(
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


LEGEND = (
    ('<svg width="44" height="12"><g class="way"><polyline points="2,6 42,6"/></g></svg>',
     "an end’s own packet"),
    ('<svg width="44" height="12"><g class="way made"><polyline points="2,6 42,6"/></g></svg>',
     "made by the box"),
    ('<svg width="44" height="12"><g class="way made forged"><polyline points="2,6 42,6"/></g></svg>',
     "thick: an ACK for bytes that the other end does not have yet,"),
    ('<svg width="44" height="12"><g class="way made forged never"><polyline points="2,6 42,6"/></g></svg>',
     "or never gets"),
    ('<svg width="12" height="12"><rect class="mark stall" x="1" y="1" width="10" height="10"/></svg>',
     "the box holds something back"),
)


def sum_up(connections):
    """For connections without orphans: words for what they have in common, and for a colour."""
    kinds = collections.Counter(model.kind_of(c) for c in connections)
    words = ["%s in %d" % (text, kinds[kind]) for kind, text in (
        ("altered", "the box altered data"), ("unknown", "not all was followed"),
        ("held", "not all data was acknowledged"), ("empty", "no data was sent")) if kinds[kind]]
    if not words:
        return "every byte that was acknowledged was delivered", " good"
    return ", ".join(words), " bad" if kinds["altered"] else ""


def write(path, connections, shown, title, left_out, missing):
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
        "".join(section(c) for c in shown) + (element(
            "p",
            "Up and down arrows go from packet to packet. Times are milliseconds since the first packet.",
            class_="faint help", hidden="") if shown else ""))
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'\">\n" + element("title", escape(title)) + "\n" +
        element("style",
                (HERE / "page.css").read_text(encoding="utf-8")) + "\n</head>\n<body>\n" + body +
        "\n" + element("script",
                       (HERE / "page.js").read_text(encoding="utf-8")) + "\n</body>\n</html>\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)


def write_svg(path, c):
    """The ladder alone, as a picture."""
    style = (HERE / "page.css").read_text(encoding="utf-8")
    picture = ladder(c).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, rest = picture.split(">", 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + ">" + element("style", style) +
                   '<rect width="100%" height="100%" style="fill:var(--paper)"/>' + rest + "\n")
