# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens when resegd stands still, is killed, or is asked to stop.

Each docstring is a row of the table in docs/reliability.md; see reliability."""

import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

from boxes import ECHO, Box, Load, Stream, expect, on_box, stalled_stream, wait_until

RESURRECTED = "the stalled connection is not silent, although resegd was killed with its octets"


class Manager:
    """What a service manager hears (sd_notify)."""

    def __init__(self, seconds):
        self.path = os.path.abspath("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.env = {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(seconds * 1000000)}

    def hears_within(self, seconds, text=b""):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if text in self.socket.recv(1000):
                    return True
            except TimeoutError:
                break
        return False


def worker_stuck(_):
    """worker is stuck: the reader of the FIFO of `--events` stops reading
    | packets wait in the queue; the watchdog is no longer told, so systemd restarts resegd after
    30 s; byte-exact if the reader goes on before that
    | the manager's journal"""
    os.mkfifo("fifo")
    enough, stop = threading.Event(), threading.Event()

    def reader():
        with open("fifo", "rb") as lines:
            while not enough.is_set():
                lines.read(4096)
            stop.wait()
            while lines.read(1 << 16):
                pass
    threading.Thread(target=reader, daemon=True).start()
    manager = Manager(2)
    box = Box("--fault", "none", env=manager.env, events=os.path.abspath("fifo"))
    quiet = Stream()
    quiet.exchange(1000)
    enough.set()
    load = Load(3000000)
    end = time.monotonic() + 30
    while manager.hears_within(4):	# silence of two deadlines
        expect(time.monotonic() < end,
               "the watchdog is still told after 30 s: the worker is not stuck")
    answer = box.ask("status", check=False)
    expect("a worker does not answer" in answer.stderr,
           "resegctl status did not say that a worker does not answer, but: " + answer.stderr)
    expect(load.runs(), "the stream ended, although the worker is stuck")
    stop.set()
    load.join()
    quiet.exchange(1000)
    expect(manager.hears_within(4), "the watchdog is not told, although the worker goes on")


def held_up(_):
    """whole process stands still for 2 s under 20 streams: `SIGSTOP`
    | packets wait in the queue: byte-exact
    | none"""
    box = Box("--fault", "none")
    load = Load(2000000, 20, 20)
    box.wait_for_traffic()
    box.kill(signal.SIGSTOP)
    time.sleep(2)		# this time is what is tested
    box.kill(signal.SIGCONT)
    load.join()


def killed(_):
    """resegd is killed by `SIGKILL`, and started again
    | until it is started again, packets pass without it; octets that only it held are lost, and
    their connections hang; all others go on; after the start new connections are intercepted
    | `passed_unknown_flow`"""
    box = Box()
    quiet = Stream()
    quiet.exchange(5000)
    stalled = stalled_stream(box)
    box.kill(signal.SIGKILL)
    box.wait()
    quiet.exchange(5000)
    fresh = Stream()
    fresh.exchange(513)			# nobody holds it
    box.start()
    fresh.exchange(513)
    quiet.exchange(513)
    expect(stalled.is_silent(), RESURRECTED)
    stalled_stream(box).exchange(1)		# the new one intercepts
    expect(box.counter("passed_unknown_flow") > 0,
           "passed_unknown_flow is 0: no packet of an old connection passed the new resegd")


def killed_and_closed(_):
    """the same, with `reseg-rules load --without-resegd drop`
    | until it is started again, no packet passes; then all connections but the stalled one go on
    | none"""
    box = Box()
    on_box("reseg-rules", "load", "--quiet", "--port", str(ECHO), "--without-resegd", "drop")
    quiet = Stream()
    quiet.exchange(5000)
    stalled = stalled_stream(box)
    box.kill(signal.SIGKILL)
    box.wait()
    quiet.send(5000)
    expect(quiet.is_silent(), "packets passed while no resegd ran")
    box.start("--fault", "none")
    quiet.receive()
    Stream().exchange(513)
    expect(stalled.is_silent(), RESURRECTED)


def stop_while_stuck(*options, **where):
    """Stops resegd while a worker is stuck in `fifo`, a FIFO that is open but not read."""
    os.mkfifo("fifo")
    stop = threading.Event()

    def reader():
        with open("fifo", "rb"):
            stop.wait()			# reads nothing
    threading.Thread(target=reader, daemon=True).start()
    manager = Manager(2)
    box = Box("--fault", "none", *options, env=manager.env, **where)
    load = Load(3000000)
    while manager.hears_within(4):
        expect(load.runs(), "the stream ended: the worker never got stuck")
    box.ask("fault", "on", "drop",
            check=False)  # another request without an answer: nobody waits for it for ever
    expect("a worker does not answer" in box.ask("status", check=False).stderr,
           "resegctl status did not say that a worker does not answer")
    box.kill(signal.SIGTERM)
    expect(manager.hears_within(5, b"STOPPING=1"),
           "the manager did not hear STOPPING=1 within 5 s of SIGTERM")
    box.kill(signal.SIGTERM)
    box.expect_status(1)
    expect(box.has_said("a worker is stuck"), "resegd did not say that a worker is stuck")
    stop.set()
    load.kill()
    Stream().exchange(5000)


def stopped_while_stuck(_):
    """SIGTERM twice while a worker is stuck in the FIFO of `--events`
    | resegd ends with status 1, and does not hand its connections over
    | a line"""
    stop_while_stuck(events=os.path.abspath("fifo"))


def stopped_while_stuck_in_a_capture(_):
    """the same, with the FIFO of `--pcapng`
    | the same
    | a line"""
    stop_while_stuck("--pcapng", os.path.abspath("fifo"))


def stopped_while_it_waits(_):
    """SIGTERM during the start, which waits for a reader of the FIFO of `--events`
    | resegd ends at once, with an error
    | none"""
    os.mkfifo("fifo")
    process = subprocess.Popen(
        ["reseg-lab", "enter", "--on", "box", "--", "resegd", "--quiet", "--events", "fifo"])

    def sleeping():
        """Any resegd that waits, which can only be in open(). The lab has process ids of its own,
        so it is ours."""
        return [
            int(path.parent.name) for path in pathlib.Path("/proc").glob("[0-9]*/status")
            if "Name:\tresegd\n" in (text := path.read_text(
                encoding="utf-8")) and "State:\tS" in text
        ]
    wait_until(sleeping, "resegd to wait in open()")
    os.kill(sleeping()[0], signal.SIGTERM)
    expect(process.wait(5) != 0, "resegd ended with status 0, not an error")


def expect_one_lost(box):
    """Fails unless the log names the stalled connection, and no other, as lost."""
    lost = [event for event in box.log("flow_closed") if event["reason"] == "shutdown"]
    expect([relay["orphaned"] for event in lost for relay in event["relays"]] == [513],
           "the log does not name just the stalled connection as lost, but: %s" % lost)


def stopped_twice_late(_):
    """SIGTERM, and again after 6 s: one of two workers is done, the other has a stalled connection
    | resegd ends at once, with status 0; the log names the stalled connection
    | `flow_closed` with `shutdown`"""
    box = Box("--queue", "0:1", "--grace", "60")
    on_box("reseg-rules", "load", "--quiet", "--port", str(ECHO), "--queue", "0:1")
    stalled_stream(box)
    box.kill(signal.SIGTERM)
    time.sleep(6)		# longer than it takes resegd to call a busy worker stuck
    box.kill(signal.SIGTERM)
    box.expect_status(0, 5)
    expect_one_lost(box)


def restarted_under_load(_):
    """SIGTERM and a new start, five times, each under 200 streams, 40 at once; one more is stalled
    | all 1,000 go on, byte-exact; the log names the stalled connection
    | `flow_closed` with `handed_over`; with `shutdown` for the stalled one"""
    box = Box("--fault", "off-by-one:flows=1")
    stalled_stream(box)
    for _ in range(5):
        load = Load(300000, 200, 40)
        wait_until(lambda: box.counter("packets") > 200, "the box to see more than 200 packets")
        expect(load.runs(), "the streams ended before resegd was stopped")
        box.kill(signal.SIGTERM)
        box.expect_status(0)
        box.start("--fault", "none")
        load.join()
    box.kill(signal.SIGTERM)
    box.wait()
    expect_one_lost(box)
    expect(any(event["reason"] == "handed_over" for event in box.log("flow_closed")),
           "no connection was handed over")
