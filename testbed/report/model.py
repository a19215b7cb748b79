# SPDX-License-Identifier: GPL-2.0-or-later

"""
What happened: the ways of packets between client, box and server, sorted into connections, and what
follows from them. Nothing here trusts the box: what is acknowledged to an end, and what the other
end acknowledged, is read from the packets. Only the reasons (a stall, a fault) come from their
comments.
"""

import bisect
import collections
import ipaddress

from capture import ACK, FIN, PSH, RST, SYN, plain
from ways import BOX, SIDES, Ends, both_ways, box_ways, clients_of, is_by_client, plain_ways

FOLLOWED_MAX = 1 << 28		# octets of a stream


def missing_text(packets):
    """What to say about a capture that lacks this many packets; empty: nothing."""
    return "The capture misses %s: what seems lost may have come." % count(
        packets, "packet") if packets else ""


def cover(runs, first, end):
    """Adds what is new of this range to runs, which are in order."""
    while first < end:
        at = bisect.bisect_right(runs, first, key=lambda run: run[0])
        if at and runs[at - 1][1] > first:
            first = runs[at - 1][1]
        else:
            stop = min(end, runs[at][0]) if at < len(runs) else end
            runs.insert(at, (first, stop))
            first = stop


def is_covered(runs, first, end):
    """Is all of this range in the runs?"""
    at = bisect.bisect_right(runs, first, key=lambda run: run[0]) - 1
    while 0 <= at < len(runs) and runs[at][0] <= first < end:
        first = max(first, runs[at][1])
        at += 1
    return first >= end


class Stream:
    """What one end sent: its octets, and which of them came where."""

    def __init__(self):
        self.octets = bytearray()	# as its source sent them, up to the first gap
        self.beyond = []		# (first, octets, way): what came after that gap
        self.length = 0			# including those
        self.sent = []			# (end, way): which packet carried the octets up to it
        self.arrivals = []		# (first, end): new octets in a packet from the source,
        self.cuts = []			# in one that the box let out,
        self.passed = []		# and in one that came through to the sink
        self.altered = {}		# octets that the box altered, by their place
        self.acked = 0			# to the source, as a relative number: a FIN counts
        self.delivered = 0		# by the sink, likewise
        self.intercepted = False	# the box makes the packets for it

    def put(self, first, data, way, leg):
        end = first + len(data)
        if leg == 0 and not way.made_by_box:
            cover(self.arrivals, first, end)
            self.length = max(self.length, end)
            self.beyond.append((first, data, way))
            self.beyond.sort(key=lambda run: run[0])
            while self.beyond and self.beyond[0][0] <= len(self.octets):
                at, run, by = self.beyond.pop(0)
                more = run[len(self.octets) - at:]
                if more:
                    self.octets.extend(more)
                    self.sent.append((len(self.octets), by))
        if way.nodes[leg].place == BOX:
            cover(self.cuts, first, end)
            if self.octets[first:end] != data:
                self.altered.update((at, octet) for at, octet in enumerate(data, first)
                                    if at < len(self.octets) and octet != self.octets[at])
        is_last = leg == len(way.packets) - 1 and way.nodes[-1].place != BOX
        if is_last and not way.made_by_box and not way.lost:
            cover(self.passed, first, end)

    def as_it_left(self, first, end):
        """What the box made of these octets; nothing if they are the same."""
        altered = {at: octet for at, octet in self.altered.items() if first <= at < end}
        if not altered:
            return b""
        return bytes(altered.get(at, self.octets[at]) for at in range(first, end))

    def has_come(self, first, end):
        """Did the sink get these octets? It acknowledged them, or their packets came through."""
        return end <= self.delivered or is_covered(self.passed, first, end)

    def orphaned(self):
        """Octets that are acknowledged to the source, but not by the sink."""
        return max(0, min(self.acked, self.length) - self.delivered)

    def way_of(self, end):
        """The packet that carried the octet before `end` from its source."""
        at = bisect.bisect_left(self.sent, end, key=lambda entry: entry[0])
        return self.sent[at][1] if at < len(self.sent) else None


class Connection:
    def __init__(self, number, client, cport, server, sport):
        self.number = number
        self.client, self.cport, self.server, self.sport = client, cport, server, sport
        self.isn = [{}, {}]		# by link: a box may shift a side's numbers
        self.stream = [Stream(), Stream()]
        self.ways = []
        self.first_isn = None
        self.too_long = False		# not followed to its end

    def first_number(self, side, link):
        """The number of a side's SYN on that link; None if it was not seen."""
        return self.isn[side].get(link, next(iter(self.isn[side].values()), None))

    def name(self, side):
        address, port = ((self.client, self.cport), (self.server, self.sport))[side]
        text = str(ipaddress.ip_address(address))
        return ("[%s]:%d" if ":" in text else "%s:%d") % (text, port)


# Connections ----------------------------------------------------------------------------------


def relative(number, isn):
    return (number - isn) & 0xFFFFFFFF if isn is not None else number


def distance(offset):
    """A relative number that may be before the first."""
    return offset - (1 << 32) if offset > 1 << 31 else offset


def tell(c, way, leg):
    """Evaluates one packet. The packets of a connection must come in order."""
    packet = way.packets[leg]
    side = 0 if way.by_client else 1
    own, peer = c.stream[side], c.stream[1 - side]
    is_last = leg == len(way.packets) - 1
    if packet.flags & SYN:
        c.isn[side].setdefault(packet.link, packet.seq)
    isn, peer_isn = (c.first_number(which, packet.link) for which in (side, 1 - side))
    if packet.payload and not packet.flags & SYN and isn is not None:
        first = distance(relative(packet.seq, isn)) - 1
        if first >= FOLLOWED_MAX:
            c.too_long = True
        elif first >= 0:
            own.put(first, packet.payload, way, leg)
            own.intercepted |= way.made_by_box
    if packet.flags & ACK and peer_isn is not None:
        acked = distance(relative(packet.ack, peer_isn)) - 1
        # The last leg of an ACK tells its receiver; the first shows what its sender has.
        if is_last and not way.lost and acked > peer.acked:
            # Not counting a FIN.
            way.acks_new = min(acked, peer.length) - min(peer.acked, peer.length)
            peer.acked = acked
        if leg == 0 and not way.made_by_box and acked > peer.delivered:
            peer.delivered = acked
        if is_last and not way.lost:
            way.acks_lost = min(way.acks_new, peer.orphaned())
            way.acks = min(acked, peer.length)
            way.lacks = max(0, way.acks - peer.delivered)


def follow(c):
    """Finds out what follows from all packets of a connection."""
    # (time, bytes orphaned then, bytes of each stream acknowledged by then)
    acked = []
    legs = sorted(((way.nodes[leg].time_ns, number, leg, way) for number, way in enumerate(c.ways)
                   for leg in range(len(way.packets))), key=lambda leg: leg[:3])
    for time_ns, _, leg, way in legs:
        tell(c, way, leg)
        acked.append((time_ns, sum(s.orphaned()
                                   for s in c.stream), [min(s.acked, s.length) for s in c.stream]))
    # (time, bytes orphaned then, how many of them are never delivered)
    c.orphans = [(time_ns, n, sum(max(0, acks - s.delivered) for acks, s in zip(each, c.stream)))
                 for time_ns, n, each in acked]
    for way in c.ways:
        way.never = max(0, way.acks - c.stream[1 if way.by_client else 0].delivered)
    c.lost_at_end = [stream.orphaned() for stream in c.stream]


def connection_of(found, packet, by_client, number):
    """
    The packet's connection in `found`. If the packet begins one, puts it there, with that number.
    """
    key = (packet.source, packet.sport, packet.target, packet.dport) if by_client else \
        (packet.target, packet.dport, packet.source, packet.sport)
    is_syn = packet.flags & (SYN | ACK | RST) == SYN
    c = found.get(key)
    if c is None or is_syn and c.first_isn not in (None, packet.seq):
        c = found[key] = Connection(number, *key)
    if is_syn:
        c.first_isn = packet.seq
    return c


def left_out_text(connections, packets, others):
    """What to say about connections without a client's SYN. `others`: those that have one."""
    if others:
        return "%s (%s) had begun before this capture, and %s left out." % (
            count(connections, "connection"), count(packets, "packet"),
            "is" if connections == 1 else "are")
    return "%s in this capture (%s) had begun before it: no client's SYN is there." % (
        "The one connection" if connections == 1 else "All " + count(connections, "connection"),
        count(packets, "packet"))


def connections(box, ends):
    """
    The connections of a box's packets, of its ends' packets, or of both (each may be None); and a
    text about what is left out, or nothing.
    """
    known = clients_of((box or []) + (ends or []))
    unknown = [packet for packet in (box if box is not None else ends)
               if is_by_client(packet, known) is None]
    sides = None
    if ends is not None:
        sides = Ends(ends, lambda packet: is_by_client(packet, known))
    ways = box_ways(box, sides) if box is not None else plain_ways(sides)
    ways.sort(key=lambda way: way.time_ns)
    found = {}
    order = []
    for way in ways:
        packet = way.packets[0]
        by_client = is_by_client(packet, known)
        if by_client is None:
            continue
        c = connection_of(found, packet, by_client, len(order) + 1)
        if not c.ways:
            order.append(c)
        c.ways.append(way)
    for c in order:
        follow(c)
    left_out = ""
    if unknown:
        left_out = left_out_text(len(set(map(both_ways, unknown))), len(unknown), order)
    elif not order:
        left_out = "No connection began while this was captured."
    return order, left_out


# Words -----------------------------------------------------------------------------------------


def flags_text(flags):
    text = "".join(letter for bit, letter in ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"))
                   if flags & bit)
    return text + ("." if flags & ACK else "")


def numbers(c, way, leg):
    """A packet's sequence number and its ACK, counted from the beginning of their streams."""
    packet = way.packets[leg]
    side = 0 if way.by_client else 1
    return (distance(relative(packet.seq, c.first_number(side, packet.link))),
            distance(relative(packet.ack, c.first_number(1 - side, packet.link))))


def packet_text(c, way, leg):
    """A packet as packetdrill writes it."""
    packet = way.packets[leg]
    first, ack = numbers(c, way, leg)
    text = flags_text(packet.flags)
    if packet.payload or packet.flags & (SYN | FIN | RST):
        text += " %d:%d(%d)" % (first, first + len(packet.payload), len(packet.payload))
    if packet.flags & ACK:
        text += " ack %d" % ack
    return text


ALL_DELIVERED = "Every byte that was acknowledged was delivered."


def is_altered(c):
    return any(stream.altered for stream in c.stream)


def kind_of(c):
    """What became of the connection, in a word."""
    if c.too_long:
        return "unknown"
    if any(c.lost_at_end):
        return "lost"
    if is_altered(c):
        return "altered"
    if not any(s.length for s in c.stream):
        return "empty"
    return "held" if is_held(c) else "delivered"


def is_held(c):
    """Is there data that was not acknowledged?"""
    return any(min(s.delivered, s.acked) < s.length for s in c.stream)


def words(c):
    """What else is remarkable about it, for an overview."""
    return ["stalled"] * any(way.kind == "stall" for way in c.ways) + ["altered"] * is_altered(c)


def headline(c):
    """What became of it, in sentences."""
    kind = kind_of(c)
    if kind == "unknown":
        return "More than %s: not followed to its end." % count(FOLLOWED_MAX, "byte")
    if kind == "empty":
        return "No data was sent."
    said = [ALL_DELIVERED]
    if kind == "lost":
        said = ["The %s holds ACKs for %s that the %s never got." % (
            SIDES[side], count(n, "byte"), SIDES[1 - side])
            for side, n in enumerate(c.lost_at_end) if n]
    elif is_held(c):
        said = ["Not all data was acknowledged: its sender knows that."]
    if is_altered(c):
        said.append("The box altered %s." % " and ".join(
            "%s that the %s sent" % (count(len(stream.altered), "byte"), SIDES[side])
            for side, stream in enumerate(c.stream) if stream.altered))
    return " ".join(said)


def totals(c, side):
    """Octets acknowledged to their source, those that their sink has, and the difference."""
    acked, orphaned = min(c.stream[side].acked, c.stream[side].length), c.lost_at_end[side]
    return acked, acked - orphaned, orphaned


def most_at_once(c):
    """
    The most octets that the client sent before the server said more: for example, the size of a
    group of pipelined commands.
    """
    most = now = end = 0
    for way in c.ways:
        packet = way.packets[0]
        if way.made_by_box or not packet.payload or packet.flags & SYN:
            continue
        if way.by_client:
            last = relative(packet.seq, c.first_number(0, packet.link)) - 1 + len(packet.payload)
            new = last - end & 0xFFFFFFFF
            if new < FOLLOWED_MAX:		# else it is a repetition
                now, end = now + new, last
            most = max(most, now)
        else:
            now = 0
    return most


def count(n, what):
    return "{:,} {}{}".format(n, what, "" if n == 1 else "s")


TEXT = bytes(range(32, 127)) + b"\r\n\t"


def is_text(octets):
    sample = bytes(octets[:2048])
    others = sample.translate(None, delete=TEXT)
    return bool(sample) and len(sample) - len(others) > 0.9 * len(sample)


# A line of a dialogue: whose it is, its text, its octets `first` to `end` in the stream, in which
# packet it was sent, whether all of it was delivered, and what it became if the box altered it.
Line = collections.namedtuple("Line", "side text first end way delivered came")


def dialogue(c):
    """The lines of both streams in the order in which they were sent; [] if they are not text."""
    if not is_text(c.stream[0].octets) and not is_text(c.stream[1].octets):
        return []
    lines = []
    for side, stream in enumerate(c.stream):
        at = 0
        while at < len(stream.octets):
            end = stream.octets.find(b"\n", at) + 1 or len(stream.octets)
            way = stream.way_of(end)
            if way is None:
                break
            text, came = (plain(octets.decode("latin-1").rstrip("\r\n"))
                          for octets in (stream.octets[at:end], stream.as_it_left(at, end)))
            lines.append(Line(side, text, at, end, way, stream.has_come(at, end), came))
            at = end
    lines.sort(key=lambda line: line.way.time_ns)
    return lines


# What is left out -------------------------------------------------------------------------------

FOLD_FROM = 200		# ways
KEEP_FIRST, KEEP_LAST = 30, 20
KEEP_OF_A_KIND = 20
AROUND = 3
FOLD_LEAST = 6


def folds(ways):
    """
    The runs of ways that a ladder leaves out, as (first, end). If there are few ways it leaves out
    none; otherwise all except the beginning, the end, and remarkable ways with their neighbours.
    This is for text; layout.c does the same for pictures.
    """
    if len(ways) <= FOLD_FROM:
        return []
    keep = [False] * len(ways)
    seen = collections.Counter()
    for i, way in enumerate(ways):
        remarkable = way.kind in ("stall", "resume", "fault", "orphaned", "lost") or \
            way.packets[0].flags & (SYN | FIN | RST)
        if remarkable:
            seen[way.kind] += 1
        if i < KEEP_FIRST or i >= len(ways) - KEEP_LAST or remarkable and seen[
                way.kind] <= KEEP_OF_A_KIND:
            for k in range(max(0, i - AROUND), min(len(ways), i + AROUND + 1)):
                keep[k] = True
    runs = []
    i = 0
    while i < len(ways):
        end = i
        while end < len(ways) and not keep[end]:
            end += 1
        if end - i >= FOLD_LEAST:
            runs.append((i, end))
        i = max(end, i + 1)
    return runs


def fold_text(ways):
    octets = sum(len(way.packets[0].payload) for way in ways if not way.made_by_box)
    return "%s, %s of data, %.3f s" % (count(len(ways), "packet"), count(octets, "byte"),
                                       (ways[-1].time_ns - ways[0].time_ns) / 1e9)
