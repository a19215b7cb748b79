# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that are made octet by octet, and captures of each kind that hold them."""

import struct

import pcapng

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENTS = ("198.51.100.7", "198.51.100.8")
SERVER = "203.0.113.9"


def summed(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def address(text):
    return bytes(int(part) for part in text.split("."))


def ipv4(source, target, protocol, payload, length=None):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload) if length is None else length, 1,
                       0x4000, 64, protocol, 0, address(source), address(target))
    return head[:10] + struct.pack(">H", summed(head)) + head[12:] + payload


def tcp(source, target, ports, seq, ack, flags, window=60000, payload=b"", checksum=None,
        options=b""):
    head = struct.pack(">HHIIBBHHH", *ports, seq & 0xffffffff, ack & 0xffffffff,
                       (20 + len(options)) // 4 << 4, flags, window, 0, 0) + options
    if checksum is None:
        checksum = summed(
            address(source) + address(target) + struct.pack(">HH", 6,
                                                            len(head) + len(payload)) + head +
            payload)
    return head[:16] + struct.pack(">H", checksum) + head[18:] + payload


def ethernet(packet):
    return bytes(12) + b"\x08\x00" + packet


class Talk:
    """A connection whose packets are recorded, two milliseconds apart."""

    def __init__(self, number, start=1000.0, checksum=None):
        self.client, self.port, self.time = CLIENTS[number], 40000 + number, start + number / 1000
        self.isn, self.sent, self.packets, self.checksum = (1000, 90000), [0, 0], [], checksum

    def add(self, side, flags, payload=b"", seq=None, ack=None, window=60000, checksum=None,
            length=None, options=b""):
        ends, ports = (self.client, SERVER), (self.port, 25)
        seq = self.isn[side] + self.sent[side] if seq is None else seq
        ack = (self.isn[1 - side] +
               self.sent[1 - side] if ack is None else ack) if flags & ACK else 0
        segment = tcp(ends[side], ends[1 - side], (ports[side], ports[1 - side]), seq, ack, flags,
                      window, payload, self.checksum if checksum is None else checksum, options)
        self.packets.append((self.time, ipv4(ends[side], ends[1 - side], 6, segment, length)))
        self.sent[side] = max(self.sent[side], seq - self.isn[side] + len(payload) +
                              bool(flags & (SYN | FIN)))
        self.time += 0.002

    def open(self):
        mss = b"\x02\x04\x05\xb4"
        self.add(0, SYN, options=mss)
        self.add(1, SYN | ACK, options=mss)
        self.add(0, ACK)

    def say(self, side, payload):
        self.add(side, PSH | ACK, payload)
        self.add(1 - side, ACK)

    def close(self):
        self.add(0, FIN | ACK)
        self.add(1, FIN | ACK)
        self.add(0, ACK)


def talk(number, size=20, **options):
    t = Talk(number, **options)
    t.open()
    t.say(1, b"220 server.example ESMTP\r\n")
    t.say(0, b"x" * size)
    t.say(1, b"250 ok\r\n")
    t.close()
    return t


def merged(*talks):
    return sorted((packet for t in talks for packet in t.packets), key=lambda packet: packet[0])


TWO = merged(talk(0, 512), talk(1, 513))		# the second stalls


def pcap(packets, wrap=ethernet, link=1, magic=0xa1b2c3d4, order="<", snap=None):
    units = 10 ** 9 if magic == 0xa1b23c4d else 10 ** 6
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for time, packet in packets:
        data = wrap(packet)
        out += struct.pack(order + "IIII", int(time), int(time % 1 * units), len(data[:snap]),
                           len(data)) + data[:snap]
    return out


def ng(interfaces, order="<"):
    """A pcapng file. An interface is a name, a link type, how it wraps packets, and the packets."""
    out = pcapng.section(order)
    packets = []
    for number, (name, link, wrap, list_) in enumerate(interfaces):
        out += pcapng.interface(name, link, order)
        packets += [(time, number, wrap(packet)) for time, packet in list_]
    for time, number, data in sorted(packets):
        out += pcapng.packet(number, int(time * 10 ** 9), data, order=order)
    return out
