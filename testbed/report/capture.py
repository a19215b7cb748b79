# SPDX-License-Identifier: GPL-2.0-or-later

"""
Reads packets from the captures that reseg writes. These are pcapng files with the interfaces
`client` and `server`: of resegd and reseg-replay (box.pcapng: which way a packet went, and
comments) or of a lab's ends (lab.pcapng).
"""

import collections
import struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32

SECTION_HEADER = 0x0A0D0D0A
INTERFACE = 1
STATISTICS = 5
ENHANCED_PACKET = 6
COMMENT, FLAGS = 1, 2		# options of a packet
NAME, RESOLUTION = 2, 9		# and of an interface
DROPPED = 5			# and of its statistics
ETHERNET, COOKED, RAW = 1, 113, 101
TIMESTAMPS = 8			# kind of a TCP option
BLOCK_MAX = 1 << 24

# `link` is `client` or `server`: the end that the link connects to the box. `inbound` is None if
# the file does not say. Addresses are bytes. `same` is what a hop leaves unchanged.
Packet = collections.namedtuple(
    "Packet",
    "time_ns link inbound source sport target dport seq ack flags window payload wire comment same")


class Broken(Exception):
    """The file is not what it should be; says why, in words."""


def plain(text):
    """The text without what a terminal or a page could take for more than text."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def ip_of(link_type, frame):
    """The IP packet in a frame, or None."""
    if link_type == RAW:
        return frame
    at = {ETHERNET: 14, COOKED: 16}.get(link_type)
    if at is None:
        raise Broken("its link type %d is not one that reseg writes" % link_type)
    return frame[at:] if frame[at - 2:at] in (b"\x08\x00", b"\x86\xdd") else None


def tcp_of(ip):
    """Addresses, the TCP segment and where it begins, or None."""
    if len(ip) < 20:
        return None
    if ip[0] >> 4 == 4:
        header, total = (ip[0] & 15) * 4, struct.unpack(">H", ip[2:4])[0]
        if ip[9] != 6 or struct.unpack(">H", ip[6:8])[0] & 0x3FFF:
            return None
        return ip[12:16], ip[16:20], ip[header:total], header
    if ip[0] >> 4 == 6 and len(ip) >= 40 and ip[6] == 6:
        return ip[8:24], ip[24:40], ip[40:40 + struct.unpack(">H", ip[4:6])[0]], 40
    return None


def packet_of(time_ns, link, inbound, ip, comment):
    """A Packet; None if it is not TCP."""
    parts = tcp_of(ip)
    if parts is None:
        return None
    source, target, tcp, at = parts
    if len(tcp) < 20:
        return None
    sport, dport, seq, ack, offset, flags, window = struct.unpack(">HHIIBBH", tcp[:16])
    same = bytearray(ip[:at + len(tcp)])
    same[8 if ip[0] >> 4 == 4 else 7] = 0		# TTL,
    if ip[0] >> 4 == 4:
        same[10:12] = bytes(2)				# its checksum,
    same[at + 16:at + 18] = bytes(2)			# TCP's, which hardware may compute
    return Packet(time_ns, link, inbound, source, sport, target, dport, seq, ack, flags, window,
                  tcp[(offset >> 4) * 4:], len(ip), comment, bytes(same))


class Blocks:
    """Takes a pcapng file apart, which may come piece by piece."""

    def __init__(self):
        self.left = b""
        self.order = None
        self.interfaces = []
        self.missing = 0	# packets not captured, as far as the file says

    def options(self, data):
        at = 0
        while len(data) - at >= 4:
            code, length = struct.unpack_from(self.order + "HH", data, at)
            if code == 0:
                return
            yield code, data[at + 4:at + 4 + length]
            at += 4 + (length + 3) // 4 * 4

    def interface(self, body):
        name, resolution = "", 6
        for code, value in self.options(body[8:]):
            if code == NAME:
                name = value.decode("utf-8", "replace")
            elif code == RESOLUTION and value:
                resolution = value[0]
        if resolution & 0x80:
            raise Broken("its times are in powers of two")
        self.interfaces.append((name, struct.unpack(self.order + "H",
                                                    body[:2])[0], 10**(9 - resolution)))

    def statistics(self, body):
        for code, value in self.options(body[12:]):
            if code == DROPPED and len(value) == 8:
                self.missing += struct.unpack(self.order + "Q", value)[0]

    def packet(self, body):
        number, high, low, captured = struct.unpack(self.order + "IIII", body[:16])
        if number >= len(self.interfaces):
            raise Broken("a packet of an interface that does not exist")
        name, link_type, unit = self.interfaces[number]
        way, comment = 0, ""
        for code, value in self.options(body[20 + (captured + 3) // 4 * 4:]):
            if code == FLAGS and len(value) >= 4:
                way = struct.unpack(self.order + "I", value[:4])[0] & 3
            elif code == COMMENT:
                comment = value.decode("utf-8", "replace")
        ip = ip_of(link_type, body[20:20 + captured])
        if ip is None:
            return None
        return packet_of(int((high << 32 | low) * unit), name, {1: True, 2: False}.get(way), ip,
                         comment)

    def feed(self, data):
        """Yields the packets that are complete now."""
        self.left += data
        at = 0
        try:
            while len(self.left) - at >= 12:
                if self.left[at:at + 4] == struct.pack("<I", SECTION_HEADER):
                    self.order = "<" if self.left[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
                    self.interfaces = []
                if self.order is None:
                    raise Broken("it is not a pcapng file")
                kind, length = struct.unpack(self.order + "II", self.left[at:at + 8])
                if length < 12 or length % 4 or length > BLOCK_MAX:
                    raise Broken("a block that makes no sense")
                if len(self.left) - at < length:
                    break
                body = self.left[at + 8:at + length - 4]
                at += length
                if kind == INTERFACE:
                    self.interface(body)
                elif kind == STATISTICS:
                    self.statistics(body)
                elif kind == ENHANCED_PACKET and (packet := self.packet(body)):
                    yield packet
        except struct.error:
            raise Broken("a block that is too short") from None
        finally:
            self.left = self.left[at:]


class Packets(list):
    """The packets of a file; `missing` counts those that it should have, too."""
    missing = 0


PCAP = [struct.pack(order + "I", magic) for order in "<>" for magic in (0xA1B2C3D4, 0xA1B23C4D)]
GZIP = b"\x1f\x8b"


def foreign(path, what):
    """For files of other programs, points to reseg-replay, which makes one that can be drawn."""
    return Broken("%s; run reseg-replay -o OUTPUT %s first, and draw OUTPUT" % (what, path))


def check_start(path, start):
    if start[:4] in PCAP:
        raise foreign(path, "it is a pcap file, as of tcpdump")
    if start.startswith(GZIP):
        raise foreign(path, "it is compressed")


def check_names(path, interfaces):
    names = dict.fromkeys(plain(name) or "one without a name" for name, _, _ in interfaces)
    if names.keys() - {"client", "server"}:
        raise foreign(path, "its interfaces are %s, not client and server as in reseg's captures" %
                      " and ".join(names))


def check_ways(packets):
    if any(packet.inbound is None for packet in packets):
        raise Broken("it does not say which way packets went, as resegd's and reseg-replay's do; "
                     "if it is a capture of the ends, give it by --ends")


def read(path, of_box):
    """All packets of a file."""
    blocks = Blocks()
    packets = Packets()
    try:
        with open(path, "rb") as file:
            while data := file.read(1 << 20):
                if blocks.order is None:
                    check_start(path, data)
                packets.extend(blocks.feed(data))
        if blocks.order is None:
            raise Broken("it is not a pcapng file")
        if blocks.left:
            raise Broken("its end is missing")
        check_names(path, blocks.interfaces)
        if of_box:
            check_ways(packets)
    except Broken as broken:
        raise Broken("%s: %s" % (path, broken)) from None
    packets.missing = blocks.missing
    return packets
