# SPDX-License-Identifier: GPL-2.0-or-later

"""
The ladder for a terminal: three lifelines, a line for each packet, and what matters below it.
"""

import model
import ways

LEG = 31		# between two lifelines
INDENT = 12		# the time

# Escape sequences of a terminal.
COLOURS = {
    "forged": "\033[31m", "stall": "\033[1;31m", "orphaned": "\033[1;31m", "fault": "\033[35m",
    "lost": "\033[35m", "resume": "\033[32m", "": ""
}
PLAIN = "\033[0m"


def arrow(text, right, lost, width):
    """`--- text --->`, or the other way round; an X if it is lost."""
    room = width - 8
    if len(text) > room:
        text = text[:room - 1] + "~"
    if right:
        return "--" + (" " + text + " ").ljust(width - 4, "-") + ("-X" if lost else "->")
    return ("X-" if lost else "<-") + (" " + text + " ").rjust(width - 4, "-") + "--"


def notes(way):
    """What is to be written below a packet."""
    parts = [part for part in way.comment.split("; ") if part and not part.startswith("forged ACK")]
    if way.acks_lost:
        other = ways.SIDES[0 if way.by_client else 1]
        parts.insert(
            0, "forged ACK: the %s has %d of these %s" %
            (other, way.acks_new - way.acks_lost, model.count(way.acks_new, "byte")))
    if way.lost:
        parts.append("lost")
    return parts


def way_lines(c, way, start_ns, colour, number=""):
    legs = {min(way.nodes[i].place, way.nodes[i + 1].place): i for i in range(len(way.packets))}
    if len(way.packets) == 1 and ways.BOX not in (way.nodes[0].place, way.nodes[1].place):
        body = "|" + arrow(model.packet_text(c, way, 0), way.by_client, way.lost, 2 * LEG + 1) + "|"
    else:
        cells = [
            arrow(model.packet_text(c, way, legs[leg]), way.by_client, way.lost
                  and legs[leg] == len(way.packets) - 1, LEG) if leg in legs else " " * LEG
            for leg in range(2)
        ]
        body = "|" + cells[0] + "|" + cells[1] + "|"
    line = "%10.3f  %s%s" % ((way.time_ns - start_ns) / 1e6, body, number)
    paint = COLOURS[way.kind] if colour else ""
    yield (paint + line + PLAIN if paint else line) + "\n"
    for note in notes(way):
        text = " " * INDENT + "* " + note
        yield (paint + text + PLAIN if paint else text) + "\n"


def head(title):
    places = "client".ljust(LEG - 1) + "box".center(4) + "server".rjust(LEG)
    return "%s\n%10s  %s\n" % (title, "ms", places)


def ladder(c, colour):
    """The lines of one connection."""
    yield head("%s -> %s" % (c.name(0), c.name(1)))
    start_ns = c.ways[0].time_ns
    at = 0
    for first, end in model.folds(c.ways) + [(len(c.ways), len(c.ways))]:
        for way in c.ways[at:first]:
            yield from way_lines(c, way, start_ns, colour)
        if end > first:
            yield " " * INDENT + (": " + model.fold_text(c.ways[first:end]) + " :").center(2 * LEG +
                                                                                           3) + "\n"
        at = end
    yield model.headline(c) + "\n"


def overview(connections):
    """A line for each connection."""
    names = "%%4s  %%-%ds  %%-%ds  " % tuple(max(len(c.name(side)) for c in connections)
                                         for side in range(2))
    columns = names + "%9s" + 2 * "  %10s %10s %9s"
    lead = names % ("", "", "") + " " * 9
    yield lead + "  %-31s  %s\n" % ("client sent", "server sent")
    yield columns % ("", "client", "server", "at once",
                     *2 * ("ACKed", "delivered", "orphaned")) + "\n"
    for c in connections:
        numbers = model.most_at_once(c), *model.totals(c, 0), *model.totals(c, 1)
        words = "".join("  " + word for word in model.words(c))
        yield columns % (c.number, c.name(0), c.name(1), *numbers) + words + "\n"
