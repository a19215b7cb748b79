# SPDX-License-Identifier: GPL-2.0-or-later

"""The ladder while it happens: follows the capture of a box, packet by packet."""

import os
import select
import signal
import subprocess
import sys

import capture
import model
import text
import ways


class Watcher:
    def __init__(self, colour):
        self.blocks = capture.Blocks()
        self.colour = colour
        self.known = set()
        self.open = {}			# connections, by who sent the SYN
        self.start_ns = None
        self.begun = False
        self.count = 0
        self.waits = {}			# for box_ways()

    def feed(self, data):
        """The lines to show for this data. The box writes at once what it does at once."""
        packets = list(self.blocks.feed(data))
        capture.check_ways(packets)
        self.known |= ways.clients_of(packets)
        for way in ways.box_ways(packets, None, self.waits):
            yield from self.show(way)

    def show(self, way):
        packet = way.packets[0]
        by_client = ways.is_by_client(packet, self.known)
        if by_client is None:
            return
        c = model.connection_of(self.open, packet, by_client, self.count + 1)
        self.count = max(self.count, c.number)
        for leg in range(len(way.packets)):
            model.tell(c, way, leg)
        if self.start_ns is None:
            self.start_ns = way.time_ns
        if not self.begun:
            self.begun = True
            yield text.head("After each line: the number of its connection.")
        yield from text.way_lines(c, way, self.start_ns, self.colour, "  %d" % c.number)
        if packet.flags & capture.RST:	# over, and nothing to remember
            del self.open[c.client, c.cport, c.server, c.sport]


def watch(path, colour):
    """Runs until SIGTERM or SIGINT, and then to the end of what is there."""
    watcher = Watcher(colour)
    read = 0
    wakeup, wakeup_write = os.pipe()
    os.set_blocking(wakeup_write, False)
    signal.set_wakeup_fd(wakeup_write)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    # reseg-lab starts this with SIGTERM blocked, so that none gets lost.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # tail can wait for a file to grow.
    with subprocess.Popen(["tail", "-q", "-c", "+1", "-F", path], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, start_new_session=True) as tail:
        try:
            while wakeup not in select.select([tail.stdout, wakeup], [], [])[0]:
                data = os.read(tail.stdout.fileno(), 1 << 16)
                if not data:
                    break
                read += len(data)
                sys.stderr.writelines(watcher.feed(data))
                sys.stderr.flush()
        finally:
            tail.terminate()
    if not os.path.exists(path):	# nobody has begun to write it
        return 0
    with open(path, "rb") as file:
        file.seek(read)
        sys.stderr.writelines(watcher.feed(file.read()))
    return 0
