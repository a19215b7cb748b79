# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written of a way: below it, and in the box below the picture."""

import collections

import model

PREVIEW = 200		# characters of data in the details

SHORTER = ((" to the client,", ","), (" to the server,", ","), ("the client's bytes ", "bytes "),
           ("the server's bytes ", "bytes "))


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
