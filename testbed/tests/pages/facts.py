# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page must show, by the event log and the capture. It shares no code with what draws it."""

import collections
import json
import struct
import sys

import checks

ORDER = "<" if sys.byteorder == "little" else ">"	# of captures made here
ENDS = {"client": "server", "server": "client"}

Packet = collections.namedtuple(
    "Packet", "link inbound time source sport dport seq flags payload comment same")


def packets(path):
    """The TCP packets of a capture, with comments; `inbound` only if resegd wrote it."""
    data = path.read_bytes()
    found, at, links = [], 0, []
    while at < len(data):
        kind, length = struct.unpack_from(ORDER + "II", data, at)
        body = data[at + 8:at + length - 4]
        at += length
        if kind not in (1, 6):
            continue
        number, high, low, captured = struct.unpack_from(ORDER + "IIII", body +
                                                         bytes(8)) if kind == 6 else (0, 0, 0, 0)
        options, known = body[20 + (captured + 3) // 4 * 4:] if kind == 6 else body[8:], {}
        while len(options) >= 4 and options[0]:
            code, size = struct.unpack_from(ORDER + "HH", options)
            known[code] = options[4:4 + size]
            options = options[4 + (size + 3) // 4 * 4:]
        if kind == 1:
            links.append((known[2].decode(), {1: 14, 113: 16}[struct.unpack_from(ORDER + "H",
                                                                                 body)[0]]))
            continue
        link, header = links[number]
        ip = body[20 + header:20 + captured]
        if ip[0] >> 4 not in (4, 6):
            continue
        six = ip[0] >> 4 == 6
        if ip[6 if six else 9] != 6:
            continue
        tcp = ip[40:] if six else ip[(ip[0] & 15) * 4:struct.unpack_from(">H", ip, 2)[0]]
        sport, dport, seq, _, offset, flags = struct.unpack_from(">HHIIBB", tcp)
        found.append(
            Packet(link,
                   known.get(2, b"\0")[0] & 3 == 1, high << 32 | low,
                   ip[8:24] if six else ip[12:16], sport, dport, seq, flags,
                   tcp[(offset >> 4) * 4:],
                   known.get(1, b"").decode(), tcp[:16] + tcp[18:]))  # but for the checksum
    return found


def ways(found):
    """How many ways they make: a packet that goes through is there twice, with the same time."""
    through = sum(1 for a, b in zip(found, found[1:])
                  if a.inbound and not b.inbound and a.link != b.link and (
                      a.time, a.sport, a.payload) == (b.time, b.sport, b.payload))
    return len(found) - through


def lost_packets(name):
    """How many went from one end of a link and never came to the other."""
    box, ends = (packets(checks.folder / name / file) for file in ("box.pcapng", "lab.pcapng"))
    client = next(p.source for p in box if p.flags & 0x12 == 2)
    # An end sends what has its address. Its segment is the same at both ends of a link.
    sent, got = (collections.Counter((p.link, p.same) for p in ends
                                     if ((p.source == client) == (p.link == "client")) == own)
                 for own in (True, False))
    came, went = (collections.Counter((p.link, p.same) for p in box if p.inbound == inbound)
                  for inbound in (True, False))
    # Once the box has ended it sees nothing, and nothing is held back.
    past = collections.Counter({(ENDS[link], same): n for (link, same), n in (got - went).items()})
    return sum((sent - came - past).values()) + sum((went - got).values())


class Facts:
    """What the event log and the box's capture say of the connection from a port."""

    def __init__(self, name, port):
        flows = {}
        self.events = []
        for line in (checks.folder / name / "events.jsonl").read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "flow_opened":
                flows[event["flow"]] = event["client_port"]
            if flows.get(event.get("flow")) == port:
                self.events.append(event)
        self.packets = [
            p for p in packets(checks.folder / name / "box.pcapng") if port in (p.sport, p.dport)
        ]
        self.end = self.events[-1]["relays"][0]
        assert self.events[-1]["event"] == "flow_closed" and self.end[
            "source"] == "client", self.events[-1]
        self.forged = [(e["offset"], e["orphaned"]) for e in self.of("forged_ack")
                       if e["orphaned"] > 0]
        self.first = next(p.seq for p in self.packets if p.flags & 2) + 1
        self.octets = bytearray()
        for p in self.packets:
            if p.inbound and p.link == "client" and p.payload:
                at = p.seq - self.first & 0xFFFFFFFF
                assert at <= len(self.octets)
                self.octets[at:at + len(p.payload)] = p.payload

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]


def tell(number, what="byte"):
    return "{:,} {}{}".format(number, what, "" if number == 1 else "s")
