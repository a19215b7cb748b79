# SPDX-License-Identifier: GPL-2.0-or-later

"""
What a sender did on the wire, read from the client's side of a lab's capture.

Nothing here knows what came of the message: it says which segments the sender wrote, what was
in them, and whether a firewall with the off-by-one must have held something back.
"""

import collections
import struct

import dpkt

CLIENT_INTERFACE = 0	# reseg-lab writes the client's first
# Block types, draft-ietf-opsawg-pcapng sections 4.1 and 4.3, and what a section's first words are if
# the rest of it has the byte order of little-endian machines.
SECTION_HEADER = b"\x0a\x0d\x0d\x0a"
ENHANCED_PACKET = 6
LITTLE_ENDIAN = b"\x4d\x3c\x2b\x1a"

# `time` in seconds; `start` is the offset of its first octet in the stream.
Segment = collections.namedtuple("Segment", "time start data")

# One connection: the sender's segments and the stream they make; its parts, see lines(); and
# for each segment what it held.
Dialogue = collections.namedtuple("Dialogue", "segments stream parts held")

# The first words of what is in a segment, and whether the last of it goes on in the next.
Held = collections.namedtuple("Held", "words is_cut")


def packets(path):
    """Those of the client's interface, as (seconds, IP packet)."""
    with open(path, "rb") as capture:
        order = "<"
        while header := capture.read(8):
            taken = 8
            if header[:4] == SECTION_HEADER:
                order = "<" if capture.read(4) == LITTLE_ENDIAN else ">"
                taken = 12
            kind, length = struct.unpack(order + "II", header)
            body = capture.read(length - taken)
            if kind != ENHANCED_PACKET:
                continue
            interface, high, low, captured = struct.unpack_from(order + "IIII", body)
            if interface == CLIENT_INTERFACE:
                ns = high << 32 | low
                yield ns / 1e9, dpkt.ethernet.Ethernet(body[20:20 + captured]).data


def segments(path, port):
    """The new data that clients of this port sent: a list of Segments for each connection."""
    found = {}
    for time, ip in packets(path):
        tcp = ip.data
        if not isinstance(tcp, dpkt.tcp.TCP) or tcp.dport != port:
            continue
        key = ip.src, tcp.sport
        if tcp.flags & dpkt.tcp.TH_SYN:
            found[key] = (tcp.seq + 1, [])
        if key not in found or not tcp.data:
            continue
        first, sent = found[key]
        start = (tcp.seq - first) % 2**32
        known = sent[-1].start + len(sent[-1].data) if sent else 0
        # Linux repeats a segment as it was; what is old is not an arrival that counts.
        if start == known:
            sent.append(Segment(time, start, bytes(tcp.data)))
    return [sent for _, sent in found.values() if sent]


# Words ---------------------------------------------------------------------------------

def lines(stream):
    """
    Splits a client's stream: (word, first octet, octet behind it) for each command, for the
    text of the message, and for what is TLS.
    """
    parts = []
    at = 0
    while at < len(stream):
        if stream[at] in (0x14, 0x15, 0x16, 0x17) and stream[at + 1:at + 2] == b"\x03":
            end = at + 5 + int.from_bytes(stream[at + 3:at + 5], "big")
            parts.append(("TLS", at, end))
            at = end
            continue
        end = stream.find(b"\n", at) + 1 or len(stream)
        line = stream[at:end].split()
        word = line[0].decode("ascii", "replace").upper() if line else ""
        parts.append((word, at, end))
        at = end
        if word == "DATA":
            end = stream.find(b"\r\n.\r\n", at - 2)
            end = end + 5 if end >= 0 else len(stream)
        elif word == "BDAT" and len(line) > 1 and line[1].isdigit():
            end = at + int(line[1])
        else:
            continue
        if end > at and at < len(stream):
            parts.append(("text", at, end))
            at = end
    return parts


def name(words):
    """MAIL, RCPT, RCPT, DATA -> "MAIL+RCPT*2+DATA"."""
    runs = []
    for word in words:
        if runs and runs[-1][0] == word:
            runs[-1][1] += 1
        else:
            runs.append([word, 1])
    return "+".join(word if count == 1 else "%s*%d" % (word, count) for word, count in runs)


def dialogue(sent):
    """Takes the segments of one connection apart."""
    stream = b"".join(segment.data for segment in sent)
    parts = lines(stream)
    held = []
    for segment in sent:
        end = segment.start + len(segment.data)
        inside = [part for part in parts if part[1] < end and part[2] > segment.start]
        held.append(Held([part[0] for part in inside], bool(inside) and inside[-1][2] > end))
    return Dialogue(sent, stream, parts, held)


def dialogues(path, port):
    return [dialogue(sent) for sent in segments(path, port)]


def summary(talk):
    """
    One connection as a list of strings, "MAIL+RCPT*8+DATA 513" for each segment; a "..." says that
    the last of it goes on in the next.
    """
    return ["%s%s %d" % (name(held.words), "..." if held.is_cut else "", len(segment.data))
            for held, segment in zip(talk.held, talk.segments)]


# Readings ------------------------------------------------------------------------------

def group(talk, first):
    """
    From the first command of this name up to and with the DATA or BDAT line that follows; None
    if the connection has no such thing in clear text.
    """
    start = None
    for word, begin, end in talk.parts:
        if word == first and start is None:
            start = begin
        if word in ("DATA", "BDAT") and start is not None:
            return talk.stream[start:end]
    return None


ENVELOPE = {"MAIL", "RCPT", "DATA", "BDAT"}


def is_filled(sizes):
    """Were these sent at once: full segments, and what was left?"""
    return all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= sizes[0]


def style_of(talk):
    """That of one connection; None if there is no envelope in it."""
    if any(part[0] == "TLS" for part in talk.parts):
        return "records"
    # The segments with some of the envelope, up to and with the one that ends it, if it came to that.
    held, sizes = [], []
    for part, segment in zip(talk.held, talk.segments):
        if not ENVELOPE.isdisjoint(part.words):
            held.append(part)
            sizes.append(len(segment.data))
        if "DATA" in part.words or "BDAT" in part.words:
            break
    if not held:
        return None
    alone = [len(part.words) == 1 and not part.is_cut for part in held]
    if len(held) > 1 and all(alone):
        return "one-command"
    first, last = held[0].words, held[-1].words
    if "RCPT" in first and is_filled(sizes):
        return "with-hello" if "EHLO" in first else "with-text" if "BDAT" in last else "together"
    if first == ["MAIL"] and alone[0] and len(held) > 1 and is_filled(sizes[1:]):
        return "first-line"
    return "other"


def style(talks):
    """
    How the envelope was sent: "together" (MAIL to DATA at once), "with-hello" (EHLO, too),
    "with-text" (BDAT, which the message follows at once), "first-line" (MAIL alone, then the rest),
    "one-command" (each by itself), "records" (TLS), "other", or nothing if there was none. The last
    connection counts.
    """
    styles = [found for found in map(style_of, talks) if found]
    return styles[-1] if styles else ""


def is_stalled(talk, segment_size, patience):
    """
    Must a firewall with the off-by-one have held octets of this connection back, for `patience`
    seconds or for good? The law is that of docs/wire.md, applied to what really arrived there.
    """
    pending = 0
    for i, segment in enumerate(talk.segments):
        pending += len(segment.data)
        while pending and pending != segment_size + 1:
            pending -= min(pending, segment_size)
        last = i + 1 == len(talk.segments)
        if pending and (last or talk.segments[i + 1].time - segment.time > patience):
            return True
    return False
