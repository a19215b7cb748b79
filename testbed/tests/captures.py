# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of a box and of both ends, made packet by packet."""

import struct
import subprocess

import checks
import pcapng
from checks import expect

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = 0, 1
ENDS = (bytes((198, 51, 100, 7)), bytes((203, 0, 113, 9)))
IN, OUT = 1, 2			# which way, for a box
ISN = (1000, 90000)
MS = 1_000_000


def segment(number, by, flags, seq, ack, payload=b"", isn=ISN):
    """An IPv4 packet of connection `number`; seq and ack count from 0 at the SYN."""
    ports = (40000 + number, 25)
    tcp = struct.pack(">HHIIBBHHH", ports[by], ports[1 - by], isn[by] + seq & 0xFFFFFFFF,
                      isn[1 - by] + ack & 0xFFFFFFFF if flags & ACK else 0,
                      5 << 4, flags, 60000, 0, 0) + payload
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0)
    return ip + ENDS[by] + ENDS[1 - by] + tcp


def write(name, packets, names=(b"client", b"server")):
    """Each packet is (time in ns, interface, which way or 0, octets, comment)."""
    out = pcapng.section()
    for interface in names:
        out += pcapng.interface(interface, 101)
    for time, interface, way, data, comment in packets:
        options = pcapng.option(2, struct.pack("<I", way)) if way else b""
        options += (pcapng.option(1, comment) if comment else b"") + pcapng.END
        out += pcapng.packet(interface, time, data, options)
    (checks.folder / name).write_bytes(out)
    return checks.folder / name


class Box:
    """What a box writes. Sequence numbers on the server's link may differ from the client's."""

    def __init__(self, server_isn=ISN):
        self.packets, self.now, self.isn = [], 10 ** 18, (ISN, server_isn)

    def takes(self, number, by, *packet, comment=b""):
        octets = segment(number, by, *packet, isn=self.isn[by])
        self.packets.append((self.now, by, IN, octets, comment))

    def makes(self, number, by, *packet, comment=b""):
        octets = segment(number, by, *packet, isn=self.isn[1 - by])
        self.packets.append((self.now, 1 - by, OUT, octets, comment))

    def passes(self, number, by, *packet, comment=b""):
        self.takes(number, by, *packet, comment=comment)
        self.makes(number, by, *packet)

    def open(self, number):
        self.passes(number, CLIENT, SYN, 0, 0)
        self.passes(number, SERVER, SYN | ACK, 0, 1)
        self.passes(number, CLIENT, ACK, 1, 1)
        self.now += MS

    def write(self, name):
        return write(name, self.packets)


class Path:
    """What both ends see; and what a box between them does, if it is asked to."""

    def __init__(self):
        self.box, self.ends, self.now = Box(), [], 10 ** 18

    def at(self, ms):
        self.now = 10 ** 18 + ms * MS
        self.box.now = self.now
        return self

    def seen(self, end, number, by, *packet):
        self.ends.append((self.now, end, 0, segment(number, by, *packet), b""))

    def open(self, number):
        for by, *packet in ((CLIENT, SYN, 0, 0), (SERVER, SYN | ACK, 0, 1), (CLIENT, ACK, 1, 1)):
            for end in (by, 1 - by):
                self.seen(end, number, by, *packet)
            self.box.passes(number, by, *packet)

    def write(self, *what):
        found = {"box": [self.box.write("box")],
                 "ends": ["--ends", write("ends", sorted(self.ends))]}
        return [part for kind in what for part in found[kind]]


def run(*command, status=0):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=60)
    expect(done.returncode, status, "%s: %s" % (command[0], done.stderr))
    return done


def replayed(*options, talks):
    """The box's capture of conversations: lists of (who, what), of connections 0, 1..."""
    packets, now = [], 10 ** 18

    def add(number, by, *rest):
        nonlocal now
        packets.append((now, 0, 0, segment(number, by, *rest), b""))
        now += MS
    for number, said in enumerate(talks):
        at = [1, 1]
        add(number, CLIENT, SYN, 0, 0)
        add(number, SERVER, SYN | ACK, 0, 1)
        add(number, CLIENT, ACK, 1, 1)
        for by, data in said:
            add(number, by, PSH | ACK, at[by], at[1 - by], data)
            at[by] += len(data)
            add(number, 1 - by, ACK, at[1 - by], at[by])
    talked = write("talks", packets, (b"eth0",))
    run("reseg-replay", *options, "-o", checks.folder / "replayed", talked, status=1)
    return checks.folder / "replayed"
