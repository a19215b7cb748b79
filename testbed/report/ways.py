# SPDX-License-Identifier: GPL-2.0-or-later

"""
Turns the packets of captures into ways between client, box and server: which of the packets that
came to a box went on, which ones it made itself, and which of the packets sent came to the other
end, or were lost.
"""

import bisect
import collections

from capture import ACK, FIN, RST, SYN, plain

CLIENT, BOX, SERVER = range(3)
CLOCKS_NS = 1_000_000		# one clock may be this much ahead of the other
SIDES = ("client", "server")

# Where a packet was, and when.
Node = collections.namedtuple("Node", "place time_ns")


class Way:
    """One packet's way: two or three nodes. Its content may differ before and after the box."""

    def __init__(self, nodes, packets, lost=False):
        self.nodes = nodes		# of Node, in time
        self.packets = packets		# one for each leg
        self.lost = lost		# it never came to its last place
        # bytes that it is the first to acknowledge (acks_new), and those of them that its sender
        # lacks (acks_lost)
        self.acks_lost = 0
        self.acks_new = 0
        self.acks = 0			# octets it acknowledges in all, of which
        self.lacks = 0			# its sender lacks these as it sends it,
        self.never = 0			# and these to the end

    @property
    def comment(self):
        return plain("; ".join(dict.fromkeys(p.comment for p in self.packets if p.comment)))

    @property
    def kind(self):
        """What is remarkable about it: a word of its comment, `lost`, or nothing."""
        words = [part.split(":")[0] for part in self.comment.split("; ")]
        found = next(
            (word
             for word in ("stall", "resume", "fault", "orphaned", "forged ACK") if word in words),
            "")
        return found.replace(" ACK", "") or ("lost" if self.lost else "")

    @property
    def by_client(self):
        return self.nodes[0].place < self.nodes[1].place

    @property
    def made_by_box(self):
        return self.nodes[0].place == BOX

    @property
    def time_ns(self):
        return self.nodes[0].time_ns


def time_of(packet):
    return packet.time_ns


def pair(sent, came):
    """
    Matches equal packets by their times: pairs of what was sent and what came. This supposes that
    none overtakes another, that as many as possible came, and each as fast as possible: if only one
    comes after a packet and its retransmission, the first is the lost one.
    """
    if len(sent) == len(came) == 1:
        return [(sent[0], came[0])]		# whatever the clocks say
    pairs = []
    end = len(sent)
    for arrival in reversed(came):
        end = bisect.bisect_right(sent, arrival.time_ns + CLOCKS_NS, hi=end, key=time_of)
        if end == 0:
            break
        end -= 1
        pairs.append((sent[end], arrival))
    pairs.reverse()
    # If the network duplicates a packet, it came when the first copy did.
    at = 0
    for i, (packet, arrival) in enumerate(pairs):
        at = bisect.bisect_left(came, packet.time_ns - CLOCKS_NS, lo=at, key=time_of)
        pairs[i] = packet, came[at]
        at += 1
    return pairs


class Ends:
    """What the ends sent and got, by their own capture; each packet once."""

    def __init__(self, packets, client_of):
        self.sent, self.got = [], []
        for packet in packets:
            by_client = client_of(packet)
            if by_client is not None:
                (self.sent if by_client == (packet.link == "client") else self.got).append(packet)


def sort(packets, name=lambda packet: (packet.link, packet.same)):
    """Groups packets that are equal, in the order of time."""
    found = collections.defaultdict(list)
    for packet in sorted(packets, key=time_of):
        found[name(packet)].append(packet)
    return found


def partners(sent, came):
    """For each packet, by id(), its counterpart at the other end of its way."""
    found = {}
    for name, packets in sent.items():
        for packet, arrival in pair(packets, came.get(name, [])):
            found[id(packet)], found[id(arrival)] = arrival, packet
    return found


def is_by_client(packet, known):
    """Did the client send it? None: its connection began before the capture."""
    if (packet.source, packet.sport, packet.target, packet.dport) in known:
        return True
    if (packet.target, packet.dport, packet.source, packet.sport) in known:
        return False
    return None


def clients_of(packets):
    """The connections, by who sent a SYN: a set of addresses and ports."""
    return {(p.source, p.sport, p.target, p.dport)
            for p in packets if p.flags & (SYN | ACK | RST) == SYN}


def both_ways(packet):
    """Names a connection, whoever sent the packet."""
    source, target = (packet.source, packet.sport), (packet.target, packet.dport)
    return min(source, target), max(source, target)


def goes_on(came, packet):
    """
    Is it the packet that came in, or one of the box's own? The box writes a packet that it lets go
    on right after the one that came in, with the same time; it may have altered it. If it takes the
    data, it first writes its ACK to the sender. So a packet that goes on has no other packet of its
    connection in between, and the same length.
    """
    first = came.packets[0]
    what, what_first = ((p.source, p.sport, p.time_ns, len(p.payload), p.flags & (SYN | FIN | RST))
                        for p in (packet, first))
    return what == what_first and packet.link != first.link


def place_of(packet):
    return CLIENT if packet.link == "client" else SERVER


def unseen_ways(ends, made, known):
    """
    The ways of packets that the ends sent or got and the box has not seen, or not written down.
    """
    unseen = Ends([], None)
    unseen.sent, unseen.got = ([packet for packet in packets if id(packet) not in known]
                               for packets in (ends.sent, ends.got))
    # It came to the other end if the box was already gone; otherwise it is lost.
    for way in plain_ways(unseen):
        if way.lost:
            way.nodes[1] = Node(BOX, way.time_ns)
        yield way
    # A RST that nobody sent is the box's own: a connection that it refuses is not in its capture.
    sent = {packet.same for packet in ends.sent} | {packet.same for packet in made}
    for packet in unseen.got:
        if packet.flags & RST and packet.same not in sent:
            yield Way([Node(place, packet.time_ns) for place in (BOX, place_of(packet))], [packet])


def box_ways(packets, ends, waits=None):
    """
    The ways of what a box took in and made; ends is None or an Ends. Between two calls, `waits` has
    the newest packet of each connection if it came in and may still go on: the packets of several
    workers are mixed, and a file may end anywhere.
    """
    ways = []
    waits = {} if waits is None else waits

    if ends is not None:
        taken, made = ([packet for packet in packets if packet.inbound is inbound]
                       for inbound in (True, False))
        known = partners(sort(ends.sent), sort(taken)) | partners(sort(made), sort(ends.got))

    def end_node(packet, place):
        """Where the packet came from or went to, and when."""
        if ends is None:
            return Node(place, packet.time_ns), False
        found = known.get(id(packet))
        if found is None:
            return Node(place, packet.time_ns), not packet.inbound
        first_or_last = min if packet.inbound else max
        return Node(place, first_or_last(found.time_ns, packet.time_ns)), False

    for packet in packets:
        key = both_ways(packet)
        if packet.inbound:
            node, _ = end_node(packet, place_of(packet))
            waits[key] = Way([node, Node(BOX, packet.time_ns)], [packet])
            ways.append(waits[key])
            continue
        node, lost = end_node(packet, place_of(packet))
        came = waits.pop(key, None)
        if came is not None and goes_on(came, packet):
            came.nodes.append(node)
            came.packets.append(packet)
            came.lost = lost
        else:
            ways.append(Way([Node(BOX, packet.time_ns), node], [packet], lost))
    if ends is not None:
        ways += unseen_ways(ends, made, known)
    return ways


def plain_ways(ends):
    """The ways where there was no box: from end to end."""
    ways = []
    known = partners(*(sort(packets, lambda packet: packet.same)
                       for packets in (ends.sent, ends.got)))
    for packet in ends.sent:
        place = place_of(packet)
        arrival = known.get(id(packet))
        time_ns = max(arrival.time_ns, packet.time_ns) if arrival else packet.time_ns
        nodes = [Node(place, packet.time_ns), Node(SERVER if place == CLIENT else CLIENT, time_ns)]
        ways.append(Way(nodes, [packet], arrival is None))
    return ways
