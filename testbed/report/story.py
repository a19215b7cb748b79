# SPDX-License-Identifier: GPL-2.0-or-later

"""
What a connection's picture is to tell, as JSON for reseg-draw, which makes the picture.
testbed/draw/from_json.h describes the JSON, and testbed/draw/story.h what it means.
"""

import collections
import json
import subprocess

import model
from capture import ACK

PREVIEW = 200			# octets of data in the details,
COMMENT_MAX = 1 << 15		# and most of a comment

# A ladder, and the rulers of both streams: SVG.
Picture = collections.namedtuple("Picture", "ladder rulers")


class Failed(Exception):
    """reseg-draw could not draw; says why, in words."""


def comment_of(way):
    """The box writes no comment that is longer than this; another program may."""
    return way.comment.encode()[:COMMENT_MAX].decode("utf-8", "ignore")


def leg_of(c, way, leg):
    packet = way.packets[leg]
    first, ack = model.numbers(c, way, leg)
    return [packet.flags, first, len(packet.payload), ack if packet.flags & ACK else 0]


def way_of(c, way):
    data = way.packets[0].payload
    told = {
        "nodes": [(node.place, node.time_ns - c.ways[0].time_ns) for node in way.nodes],
        "legs": [leg_of(c, way, leg) for leg in range(len(way.packets))], "is_lost": way.lost,
        "lacks": way.lacks, "never": way.never, "comment": comment_of(way),
        "preview": data[:PREVIEW].decode("latin-1") if model.is_text(data) else ""
    }
    # Most ways have nothing of what may be left out.
    return {key: value for key, value in told.items() if value}


def stream_of(stream):
    return {
        "length": stream.length, "acked": stream.acked, "delivered": stream.delivered,
        "is_intercepted": stream.intercepted, "arrivals": stream.arrivals, "cuts": stream.cuts
    }


def story_of(c):
    return {
        "number": c.number, "ways": [way_of(c, way) for way in c.ways],
        "orphans": [(time_ns - c.ways[0].time_ns, *bytes_then)
                    for time_ns, *bytes_then in c.orphans],
        "streams": [stream_of(stream) for stream in c.stream]
    }


def draw(program, connections):
    """A Picture of each."""
    stories = json.dumps([story_of(c) for c in connections], ensure_ascii=False)
    done = subprocess.run([program], input=stories.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        raise Failed(done.stderr.decode("utf-8", "replace").strip() or "reseg-draw was killed")
    return [Picture(**picture) for picture in json.loads(done.stdout)]
