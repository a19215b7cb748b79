# SPDX-License-Identifier: GPL-2.0-or-later

"""For scripts that run as the command of `reseg-lab --no-box`, on its client: a resegd on the box,
which they may kill, and streams through it. Files go to the current folder."""

import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import threading
import time

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
ECHO = 7


class Otherwise(Exception):
    """Something other than what was expected has happened; its text says what."""


def expect(condition, text):
    if not condition:
        raise Otherwise(text)


def wait_until(condition, text, seconds=15):
    """Polls for something that nothing reports; text: what it is."""
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, "waited %d s in vain for %s" % (seconds, text))
        time.sleep(0.05)


def on_box(*command, **options):
    return subprocess.run(["reseg-lab", "enter", "--on", "box", "--", *command], check=True,
                          **options)


class Box:
    """A resegd on the box, which we may kill, with the rules that fill its queue."""

    def __init__(self, *options, before="", env=None, events=None):
        on_box("reseg-rules", "load", "--quiet", "--port", str(ECHO))
        self.control = os.path.abspath("ctl")
        self.events = events or os.path.abspath("events.jsonl")
        self.start(*options, before=before, env=env)

    def start(self, *options, before="", env=None):
        ready, tell = os.pipe()
        self.process = subprocess.Popen([
            "reseg-lab", "enter", "--on", "box", "--", "sh", "-c", before + 'exec resegd "$@"',
            "sh", "--control", self.control, "--events", self.events, "--ready-fd",
            str(tell), *options
        ], pass_fds=[tell], stderr=subprocess.PIPE, text=True, env=dict(os.environ, **(env or {})))
        os.close(tell)
        expect(os.read(ready, 1) == b"\n", "resegd did not start")
        os.close(ready)
        self.said = []
        self.reader = threading.Thread(target=self.read, args=[self.process.stderr], daemon=True)
        self.reader.start()
        self.pid = self.ask("status")["pid"]

    def read(self, lines):
        for line in lines:
            self.said.append(line)

    def ask(self, *request, check=True):
        done = subprocess.run(["resegctl", "--control", self.control, "--format", "json", *request],
                              capture_output=True, text=True)
        expect(not check or done.returncode == 0,
               "resegctl %s: %s" % (" ".join(request), done.stderr.strip()))
        return json.loads(done.stdout) if check else done

    def counter(self, name):
        return self.ask("status")["counters"][name]

    def expect_counter(self, name, number):
        found = self.counter(name)
        expect(found == number, "%s is not %d, but %d" % (name, number, found))

    def kill(self, number):
        os.kill(self.pid, number)

    def wait_for_traffic(self):
        wait_until(lambda: self.counter("forged_acks") > 100, "streams to move")

    def wait(self, seconds=20):
        """Its exit status, once all that it said is read."""
        status = self.process.wait(seconds)
        self.reader.join()
        return status

    def expect_status(self, status, seconds=20):
        found = self.wait(seconds)
        expect(found == status, "resegd ended with status %d, not %d" % (found, status))

    def has_said(self, text):
        return any(text in line for line in self.said)

    def wait_for(self, text):
        wait_until(lambda: self.has_said(text), "resegd to say: " + text)

    def log(self, *kinds):
        with open(self.events, encoding="utf-8") as lines:
            events = [json.loads(line) for line in lines]
        return [event for event in events if not kinds or event["event"] in kinds]

    def memory(self):
        """Its resident size in bytes."""
        with open("/proc/%d/statm" % self.pid, encoding="utf-8") as numbers:
            return int(numbers.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Stream:
    """A connection to the echo service. What is sent must come back."""

    def __init__(self, seconds=30):
        self.socket = socket.create_connection((os.environ["RESEG_SERVER"], ECHO), seconds)
        self.awaited = b""

    def send(self, count):
        data = random.randbytes(count)
        self.socket.sendall(data)
        self.awaited += data

    def receive(self):
        got = b""
        while len(got) < len(self.awaited):
            part = self.socket.recv(1 << 16)
            expect(part, "the server ended the stream before all octets came back")
            got += part
        expect(got == self.awaited, "other octets came back than were sent")
        self.awaited = b""

    def exchange(self, count):
        self.send(count)
        self.receive()

    def is_silent(self):
        """Does nothing come within a second? (Only time can show that.)"""
        self.socket.settimeout(1)
        try:
            return self.socket.recv(1) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(30)


def stalled_stream(box):
    """A connection that the fault of 2008 has stalled; the first for this resegd."""
    stream = Stream()
    stream.send(513)
    wait_until(lambda: box.counter("stalls") == 1, "the connection to stall")
    box.stalled = stream	# stays open as long as the box is known
    return stream


class Load:
    """Streams that go on while something else is done."""

    def __init__(self, size, connections=1, parallel=100, *options):
        self.process = subprocess.Popen([
            "stream-client", "--connections",
            str(connections), "--parallel",
            str(parallel), *options, os.environ["RESEG_SERVER"],
            str(ECHO),
            str(size)
        ], stderr=subprocess.PIPE, text=True)

    def runs(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def join(self):
        _, said = self.process.communicate()
        expect(self.process.returncode == 0, "the streams were not byte-exact: " + said.strip())


def find_programs(program):
    """Uses the programs in PATH if there are any, as in a test of a build; else those of build/."""
    if shutil.which("reseg-lab") and shutil.which("stream-client"):
        return
    if not (BUILD / "testbed/reseg-lab").exists():
        sys.exit(
            "%s: there is no build: run testbed/check, or meson setup build && ninja -C build" %
            program)
    os.environ["PATH"] = ":".join([
        *(str(BUILD / part) for part in ("testbed", "emulator", "rules", "testbed/tests")),
        os.environ["PATH"], "/usr/sbin", "/sbin"
    ])
