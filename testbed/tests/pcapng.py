# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a pcapng file, for tests that write their own captures."""

import struct

SECTION_HEADER, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
NAME, RESOLUTION = 2, 9		# options of an interface
END = bytes(4)			# of options


def padded(data):
    return data + bytes(-len(data) % 4)


def block(kind, body, order="<"):
    body = padded(body)
    length = len(body) + 12
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def option(code, data, order="<"):
    return struct.pack(order + "HH", code, len(data)) + padded(data)


def section(order="<"):
    return block(SECTION_HEADER, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(name, link_type, order="<"):
    """An interface whose times are in nanoseconds."""
    options = option(NAME, name, order) + option(RESOLUTION, b"\x09", order) + END
    return block(INTERFACE, struct.pack(order + "HHI", link_type, 0, 0) + options, order)


def packet(number, time_ns, data, options=b"", order="<"):
    """A packet of the interface with that number, from 0; options include their END."""
    head = struct.pack(order + "IIIII", number, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data),
                       len(data))
    return block(PACKET, head + padded(data) + options, order)
