# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens when something is full: a queue, the table, memory, a disk.

Each docstring is a row of the table in docs/reliability.md; see reliability."""

import os
import socket
import struct

from boxes import ECHO, Box, Load, Stream, expect, on_box, wait_until


def queue_too_short(_):
    """queue is too short: 40 streams, `--queue-length 8`
    | the kernel drops packets before the box; the ends send them again: byte-exact
    | `queue_lost`"""
    box = Box("--fault", "none", "--queue-length", "8")
    Load(50000, 40, 40).join()
    expect(box.counter("queue_lost") > 0, "queue_lost is 0: no packet was lost")


def queue_buffer_full(_):
    """queue's buffer is too small: one fast stream, `--queue-buffer 65536`
    | packets overrun the buffer (`ENOBUFS`); the ends send them again: byte-exact
    | `queue_overruns`, a line"""
    box = Box("--fault", "none", "--queue-buffer", "65536")
    Load(4000000).join()
    expect(box.counter("queue_overruns") > 0, "queue_overruns is 0: the queue did not overrun")
    box.wait_for("some were lost: give a larger --queue-buffer")


def table_full(_):
    """table is full: 20 connections, `--flows 8`
    | the first 8 are intercepted; the others pass untouched
    | `passed_overload`"""
    box = Box("--fault", "none", "--flows", "8")
    streams = [Stream() for _ in range(20)]
    for stream in streams:
        stream.exchange(5000)
    box.expect_counter("passed_overload", 12)
    box.expect_counter("flows_active", 8)


def table_full_refuse(_):
    """the same, with `--overload refuse`
    | the first 8 are intercepted; the clients of the others get a RST
    | `refused_overload`"""
    box = Box("--fault", "none", "--flows", "8", "--overload", "refuse")
    streams, refused = [], 0
    for _ in range(20):
        try:
            streams.append(Stream())
        except ConnectionRefusedError:
            refused += 1
    for stream in streams:
        stream.exchange(5000)
    expect(refused == 12, "%d connections were refused, not 12" % refused)
    box.expect_counter("refused_overload", 12)


def memory_for_new_used_up(_):
    """memory for new connections is used up: 100 stalled connections, `--memory 1048576`
    | once three quarters are used, new connections pass untouched; the old ones go on
    | `passed_overload`"""
    box = Box("--memory", "1048576")
    streams = [Stream() for _ in range(101)]
    for stream in streams[:-1]:
        stream.send(513)		# each takes two of 256 pages of 4,096 octets
    wait_until(lambda: box.counter("stalls") == 100, "all 100 connections to stall")
    late = [Stream() for _ in range(20)]
    for stream in late:
        stream.exchange(513)		# nobody holds it
    box.expect_counter("passed_overload", 20)
    streams[-1].exchange(5000)
    for stream in streams[:-1]:
        stream.exchange(1)
    expect(box.counter("orphaned_bytes") == 0,
           "octets are still held: orphaned_bytes is not 0")


def memory_full(_):
    """memory is full: 8 streams of 400 kB while `drop` lets nothing through, `--memory 1048576`
    | data without room is not ACKed, so the clients send it again: byte-exact once `drop` is off
    | `refused_arrivals`"""
    box = Box("--fault", "drop:percent=100", "--memory", "1048576")
    load = Load(400000, 8, 8)
    wait_until(lambda: box.counter("refused_arrivals") > 0,
               "the memory to be full (refused_arrivals above 0)")
    pages = box.counter("pages_used")
    expect(pages <= 256, "pages_used is %d: more than the 256 of --memory" % pages)
    box.ask("fault", "off", "all")
    load.join()


def small_disk(name):
    """A command that mounts a disk of 64 KiB there, for resegd."""
    os.mkdir(name)
    return "mount -t tmpfs -o size=64k tmpfs %s && " % name


def event_log_full(_):
    """disk of `--events` is full, and has room again later
    | connections go on; whole lines are missing, and the log says how many
    | `events_lost`, a line"""
    os.mkdir("disk")
    box = Box("--fault", "none", before=small_disk("disk/small"),
              events=os.path.abspath("disk/small/events"))
    box.events = "/proc/%d/root%s" % (box.pid, box.events)	# resegd may have mounts of its own
    Load(100000, 20).join()
    box.wait_for("the event log cannot be written (No space left on device)")
    lost = box.counter("events_lost")
    expect(lost > 0, "events_lost is 0: no line of the log was lost")
    on_box("mount", "-o", "remount,size=4m", os.path.abspath("disk/small"))
    Stream().exchange(1000)
    wait_until(lambda: box.log("events_lost"),
               "an events_lost in the log, which says how many lines it lost")
    told = sum(event["lines"] for event in box.log("events_lost"))
    counted = box.counter("events_lost")
    expect(told == counted, "the log reports %d lost lines, not the %d counted" % (told, counted))
    expect(counted >= lost, "events_lost went back from %d to %d" % (lost, counted))
    expect(len(box.log("flow_closed")) < 20,
           "no line is missing from the log: all 20 flow_closed are there")


def capture_full(_):
    """disk of `--pcapng` is full
    | connections go on; the capture ends there
    | a line"""
    box = Box("--fault", "none", "--pcapng", os.path.abspath("small/c.pcapng"),
              before=small_disk("small"))
    Load(100000, 20).join()
    box.wait_for("the capture cannot be written any more")
    Stream().exchange(5000)


def syn_flood(options):
    """table is flooded: SYNs from 1,000,000 addresses, 65,536 flows at most
    | once the table is full, SYNs pass untouched; memory stays below 64 MiB; an older stream goes
    on
    | `passed_overload`"""
    box = Box("--fault", "none")
    old = Stream()
    old.exchange(5000)
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    server = socket.inet_pton(socket.AF_INET6, os.environ["RESEG_SERVER6"])
    # 2001:db8:ffff:0:A:~A:B:~B: so the checksum is the same for all.
    prefix = socket.inet_pton(socket.AF_INET6, "2001:db8:ffff::")[:8]
    tcp = struct.pack("!HHIIHHHH", 40000, ECHO, 1, 0, 0x5002, 65535, 0, 0)

    def source(i):
        low, high = i & 0x3ff, i >> 10
        return prefix + struct.pack("!HHHH", low, low ^ 0xffff, high, high ^ 0xffff)

    def checksum(data):
        total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        return ~total & 0xffff
    pseudo = source(0) + server + struct.pack("!IHBB", len(tcp), 0, 0, socket.IPPROTO_TCP)
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    header = struct.pack("!IHBB", 6 << 28, len(tcp), socket.IPPROTO_TCP, 64)
    to = (os.environ["RESEG_SERVER6"], 0)
    before = box.counter("packets")
    sent = 0
    while sent < options.syns:
        raw.sendto(header + source(sent) + server + tcp, to)
        sent += 1
        if sent % 8192 == 0:		# as many as the queue has room for
            old.exchange(5000)
    wait_until(lambda: box.counter("passed_overload") + 65536 >= sent - box.counter("queue_lost"),
               "passed_overload to count all SYNs without room in the table")
    flows, seen = box.counter("flows_active"), box.counter("packets") - before
    expect(flows <= 65536, "flows_active is %d: more than 65,536" % flows)
    expect(seen >= 0.9 * sent, "the box saw %d packets: less than nine tenths of %d SYNs" % (
        seen, sent))
    memory = box.memory() / 1048576
    expect(memory < 64, "resegd has %d MiB in memory: not less than 64" % memory)
    old.exchange(500000)
    Stream().exchange(5000)
