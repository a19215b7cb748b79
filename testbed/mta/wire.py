# SPDX-License-Identifier: GPL-2.0-or-later

"""
What a sender did on the wire, read from the client's side of a lab's capture.

This module does not look at what came of the message: it finds which segments the sender wrote,
what was in them, and whether a firewall with the off-by-one must have held something back.
"""

import bisect
import collections
import re
import struct

import dpkt

FULL_MIN = 500	# the least that a full segment has, with an MTU of 552
CLIENT_INTERFACE = 0	# reseg-lab writes the client's interface first
# Block types, draft-ietf-opsawg-pcapng sections 4.1 and 4.3, and the byte-order magic of a section
# that a little-endian machine wrote.
SECTION_HEADER = b"\x0a\x0d\x0d\x0a"
ENHANCED_PACKET = 6
LITTLE_ENDIAN = b"\x4d\x3c\x2b\x1a"

# `time` in seconds; `start` is the offset of its first octet in the stream; `begins`: it begins a
# write, and does not continue one that filled the segment before.
Segment = collections.namedtuple("Segment", "time start data begins", defaults=[True])

# One connection: the sender's segments and the stream they make; its parts, see lines(); what each
# segment held; and the replies, the greeting first.
Dialogue = collections.namedtuple("Dialogue", "segments stream parts held replies")

# The words of the lines in a segment, and whether the last line goes on in the next segment.
Held = collections.namedtuple("Held", "words is_cut")

# A server's reply: its code, and the text of its last line.
Reply = collections.namedtuple("Reply", "code text")

# One message of a connection. `mail`, `data` and `end` are the replies to MAIL, to DATA and to the
# text; `to` has those to RCPT by address. None: there was none. `commands`: (word, first octet,
# octet after it).
Transaction = collections.namedtuple("Transaction", "sender to mail data end commands text")


def packets(path):
    """The packets of the client's interface, as (seconds, IP packet)."""
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


def port_packets(path, port):
    """The TCP packets of this port: (seconds, client, did the client send it?, TCP segment)."""
    for time, ip in packets(path):
        tcp = getattr(ip, "data", None)
        if isinstance(tcp, dpkt.tcp.TCP) and port in (tcp.dport, tcp.sport):
            sent = tcp.dport == port
            yield time, (ip.src, tcp.sport) if sent else (ip.dst, tcp.dport), sent, tcp


class Stream:
    """One direction of a connection, put together in order."""

    def __init__(self, first):
        self.first = first
        self.known = 0
        self.early = {}
        self.segments = []

    def add(self, time, tcp, begins):
        """Returns whether it had something new."""
        start = (tcp.seq - self.first + 2**31) % 2**32 - 2**31
        self.early[start] = max(bytes(tcp.data), self.early.get(start, b""), key=len)
        was = self.known
        while ready := [at for at in self.early if at <= self.known]:
            for at in ready:
                data = self.early.pop(at)[self.known - at:]
                if data:
                    self.segments.append(Segment(time, self.known, data, begins))
                    self.known += len(data)
        return self.known > was


def connections(path, port):
    """The new data of both directions: (sent, came back) for each connection to this port."""
    found = {}
    for time, key, sent, tcp in port_packets(path, port):
        if tcp.flags & dpkt.tcp.TH_SYN and sent:
            found[key] = {True: Stream(tcp.seq + 1), "begins": True}
        elif tcp.flags & dpkt.tcp.TH_SYN and key in found:
            found[key][False] = Stream(tcp.seq + 1)
        if not tcp.data or sent not in found.get(key, {}):
            continue
        ends = found[key]
        if ends[sent].add(time, tcp, ends["begins"]) and sent:
            # After a full segment without PSH there was more to send.
            ends["begins"] = len(tcp.data) < FULL_MIN or bool(tcp.flags & dpkt.tcp.TH_PUSH)
    return [(ends[True].segments, ends[False].segments if False in ends else [])
            for ends in found.values() if ends[True].segments]


def segments(path, port):
    """The new data that clients of this port sent: a list of Segments for each connection."""
    return [sent for sent, _ in connections(path, port)]


def longest_silence(path, port, ended):
    """
    The longest time, in seconds, that a client of this port waited for the server, from its SYN to
    the end of the connection. `ended`: when the client's program had ended. Its end does not show
    in the capture if what it wrote before was never ACKed, or if it had closed its half.
    """
    found, streams, current, half = [], {}, {}, set()
    for time, key, sent, tcp in port_packets(path, port):
        if tcp.flags & dpkt.tcp.TH_SYN:
            stream = Stream(tcp.seq + 1)
            if (key, sent) in streams and streams[key, sent].first == stream.first:
                continue	# repeated
            streams[key, sent] = stream
            if sent:
                half.discard(key)
                current[key] = []
                found.append(current[key])
            if key in current:
                current[key].append(time)
            continue
        if key not in current:
            continue
        fin = tcp.flags & dpkt.tcp.TH_FIN
        if fin and sent and tcp.data:
            half.add(key)
        ends = tcp.flags & dpkt.tcp.TH_RST or fin and not (sent and key in half)
        if ends or tcp.data and (key, sent) in streams and streams[key, sent].add(time, tcp, True):
            current[key].append(time)
        if ends:
            del current[key]
    # A connection whose end was not seen ended with the program, or before the next one began.
    starts = [times[0] for times in found]
    for times in current.values():
        times.append(min([ended, *(start for start in starts if start > times[-1])]))
    longest = 0.0
    for times in found:
        for begin, end in zip(times, times[1:]):
            longest = max(longest, (min(end, ended) if begin < ended else end) - begin)
    return longest


# Words ---------------------------------------------------------------------------------

def replies(stream):
    """What a server said, until TLS begins."""
    found = []
    for line in stream.split(b"\n")[:-1]:
        if not line[:3].isdigit():
            break
        if line[3:4] != b"-":
            found.append(Reply(int(line[:3]), line.decode("ascii", "replace").strip()))
    return found


def lines(stream, said=()):
    """
    Splits a client's stream: (word, first octet, octet after it) for each command, for the text of
    the message, and for what is TLS. No text follows a DATA that was refused, or had no reply.
    """
    parts = []
    at = 0
    answers = 1	# the greeting has come
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
        answers += 1
        if word == "DATA":
            if len(said) < answers or said[answers - 1].code >= 400:
                continue
            answers += 1
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


def dialogue(sent, came=()):
    """Takes the segments of one connection apart."""
    stream = b"".join(segment.data for segment in sent)
    said = replies(b"".join(segment.data for segment in came))
    parts = lines(stream, said)
    held = []
    for segment in sent:
        end = segment.start + len(segment.data)
        inside = [part for part in parts if part[1] < end and part[2] > segment.start]
        held.append(Held([part[0] for part in inside], bool(inside) and inside[-1][2] > end))
    return Dialogue(sent, stream, parts, held, said)


def dialogues(path, port):
    return [dialogue(*ends) for ends in connections(path, port)]


def summary(talk):
    """
    One connection as a list of strings, such as "MAIL+RCPT*8+DATA 513", for each segment; "..."
    means that its last line goes on in the next one.
    """
    return ["%s%s %d" % (name(held.words), "..." if held.is_cut else "", len(segment.data))
            for held, segment in zip(talk.held, talk.segments)]


# Readings ------------------------------------------------------------------------------

ENVELOPE = {"MAIL", "RCPT", "DATA", "BDAT"}


def address(line):
    """What is between < and >."""
    return line.partition(b"<")[2].partition(b">")[0].decode("ascii", "replace")


def transactions(talk):
    """The messages of a connection, each with the replies it had."""
    found = []
    said = iter(talk.replies[1:])
    verb = ""
    for word, begin, end in talk.parts:
        if word == "TLS":
            break
        # The text after BDAT is answered together with it.
        answer = None if word == "text" and verb == "BDAT" else next(said, None)
        if word == "MAIL":
            found.append(
                Transaction(address(talk.stream[begin:end]), {}, answer, None, None, [], None))
        elif found and word == "RCPT":
            found[-1].to[address(talk.stream[begin:end])] = answer
        elif found and word == "DATA":
            found[-1] = found[-1]._replace(data=answer)
        elif found and word == "BDAT":
            found[-1] = found[-1]._replace(end=answer)
        elif found and word == "text":
            text = talk.stream[begin:end]
            found[-1] = found[-1]._replace(end=found[-1].end if verb == "BDAT" else answer,
                                           text=text)
        if found and word in ENVELOPE:
            found[-1].commands.append((word, begin, end))
        verb = word
    return found


def is_of(transaction, to):
    """Is this the message to these addresses, rather than a report on it or another message?"""
    return transaction.sender != "" and not transaction.to.keys().isdisjoint(to)


def about(talks, to):
    """The connections that may be about the message to these addresses, rather than another."""
    found = []
    for talk in talks:
        messages = transactions(talk)
        if not messages or any(is_of(one, to) or not one.to for one in messages):
            found.append(talk)
    return found


def answers(talks, to):
    """The last reply that decided on each address: it refuses the address, or takes the message."""
    found = {}
    for talk in talks:
        for one in transactions(talk):
            for name, answer in one.to.items() if one.sender else []:
                steps = [one.mail, answer, one.data, one.end]
                refused = [step for step in steps if step and step.code >= 400]
                found[name] = refused[0] if refused else one.end
        # A sender that is refused at the door names no recipient. What a server says once the
        # sender has gone, or to its QUIT, answers nothing that the sender asked.
        if not any(one.to for one in transactions(talk)):
            asked = ["", *(word for word, _, _ in talk.parts)]
            refused = [reply for word, reply in zip(asked, talk.replies)
                       if reply.code >= 400 and word != "QUIT"]
            for name in to if refused else []:
                found.setdefault(name, refused[-1])
    return found


def subject(text):
    """The subject of a message, or its first line if it has none."""
    head = text.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
    found = re.search(r"^subject:\s*(.*(?:\r\n[ \t].*)*)", head, re.M | re.I)
    return " ".join((found.group(1) if found else head.partition("\r\n")[0]).split())


def timeline(talks, to):
    """
    What happened when: a list of {"time_s", "event", "detail"}. Events: "tried", a connection with
    the message to these addresses, and the receiver's last word in it; "told", a report to the
    message's author. Times count from the first connection.
    """
    began = min((talk.segments[0].time for talk in talks), default=0)
    found = []
    for talk in talks:
        for one in transactions(talk):
            if one.sender == "" and one.text:
                found.append((talk.segments[-1].time, "told", subject(one.text)))
            elif is_of(one, to) or not one.to:
                said = one.end or one.data or next(
                    (answer for answer in [*one.to.values(), one.mail] if answer), None)
                found.append((talk.segments[0].time, "tried", said.text if said else "no reply"))
    return [{"time_s": round(time - began, 1), "event": event, "detail": detail}
            for time, event, detail in sorted(found)]


def group(talk, to):
    """
    The part of the envelope to these addresses that the sender wrote at once: the commands from
    MAIL to DATA that share a write with a recipient; all of them if each command has a write of its
    own. None if there is no such envelope, or if it ends before its last recipient.
    """
    for one in reversed(transactions(talk)):
        if not is_of(one, to):
            continue
        starts = [segment.start for segment in talk.segments if segment.begins]
        writes = collections.defaultdict(list)
        for word, begin, end in one.commands:
            writes[bisect.bisect(starts, begin)].append((word, begin, end))
        together = [write for write in writes.values()
                    if len(write) > 1 and any(word == "RCPT" for word, _, _ in write)]
        found = together[0] if together else one.commands
        if found[-1][0] not in ("DATA", "BDAT") and (not together or len(one.to) < len(to)):
            return None
        return talk.stream[found[0][1]:found[-1][2]]
    return None


def style_of(talk):
    """The style of one connection; None if it has no envelope."""
    if any(part[0] == "TLS" for part in talk.parts):
        return "records"
    # The segments with some of the envelope, up to and including the one that ends it, if it came
    # to that.
    held, begins = [], []
    for part, segment in zip(talk.held, talk.segments):
        if not ENVELOPE.isdisjoint(part.words):
            held.append(part)
            begins.append(segment.begins)
        if "DATA" in part.words or "BDAT" in part.words:
            break
    if not held:
        return None
    alone = [len(part.words) == 1 and not part.is_cut for part in held]
    if len(held) > 1 and all(alone):
        return "one-command"
    first, last = held[0].words, held[-1].words
    if "RCPT" in first and not any(begins[1:]):
        return "with-hello" if "EHLO" in first else "with-text" if "BDAT" in last else "together"
    if first == ["MAIL"] and alone[0] and len(held) > 1 and not any(begins[2:]):
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
    Must a firewall with the off-by-one have held back octets of this connection, for `patience`
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
