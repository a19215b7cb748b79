# SPDX-License-Identifier: GPL-2.0-or-later
"""ends.py: both ends of the connections of a case of testbed/long/compare

usage: ends.py client|server FOLDER

FOLDER/case.json is the case; FOLDER/client and FOLDER/server get a line for each connection,
with its result at that end. The client ends once the server is done too, which the server
says by FOLDER/done, a FIFO, or once time is up.
"""

import errno
import hashlib
import json
import os
import random
import select
import socket
import struct
import sys
import threading
import time

PORT = 25
FIRST_PORT = 20000		# of the clients: the port tells which connection it is
NOTSENT_LOWAT = 25		# TCP_NOTSENT_LOWAT
# Which of these errors a RST causes depends on what the end does at that moment.
RESETS = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
NUMBERS = {
    "rcvbuf": (socket.SOL_SOCKET, socket.SO_RCVBUF),
    "sndbuf": (socket.SOL_SOCKET, socket.SO_SNDBUF),
    "clamp": (socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP),
    "mss": (socket.IPPROTO_TCP, socket.TCP_MAXSEG),
    "lowat": (socket.IPPROTO_TCP, NOTSENT_LOWAT),
    "nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
}


def stream(who, number, size):
    """What an end sends; it differs for each connection."""
    return random.Random("%s %d" % (who, number)).randbytes(size)


def prepare(end):
    for name, value in end.get("sysctl", {}).items():
        with open("/proc/sys/net/ipv4/" + name, "w", encoding="ascii") as file:
            file.write(value)


def set_options(sock, end):
    for name, option in NUMBERS.items():
        if name in end:
            sock.setsockopt(*option, int(end[name]))


class End:
    """One end of one connection."""

    def __init__(self, sock, case, who, number):
        self.sock, self.number, self.who = sock, number, who
        other = "server" if who == "client" else "client"
        self.own, self.other = case.get(who, {}), case.get(other, {})
        self.name = "%s %d" % (who, number)
        self.hash = hashlib.sha256()
        self.got = self.sent = 0
        self.over = False
        self.error = None
        self.random = random.Random(self.name)
        # An end that closes by a RST first waits for the last byte of the other end, which
        # sends that byte once it has received everything.
        self.closing = self.own.get("close", "shutdown")
        self.confirms = self.other.get("close") in ("linger", "unread")
        self.waits = self.other.get("close") == "abort"

    def expected(self):
        return self.own.get("send", 0) if self.other.get("echo") else self.other.get("send", 0)

    def note(self, error):
        if self.error is None:
            reset = error.errno in RESETS
            self.error = "reset" if reset else errno.errorcode.get(error.errno, str(error))

    def write(self, data):
        how, chunk = self.own.get("write", "plain"), self.own.get("write_chunk", 65536)
        chance, pause = self.own.get("write_pause", (0, 0))
        view, at = memoryview(data), 0
        source = os.memfd_create("stream") if how == "sendfile" else -1
        if source >= 0:
            os.write(source, data)
        while at < len(view):
            part = view[at:at + chunk]
            if how == "cork":
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            if source >= 0:
                n = os.sendfile(self.sock.fileno(), source, at, len(part))
            else:
                more = how == "more" and self.random.random() < 0.5
                n = self.sock.send(part, socket.MSG_MORE if more else 0)
            at += n
            self.sent += n
            if how == "cork" and self.random.random() < 0.3:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            if chance and self.random.random() < chance:
                time.sleep(pause)
        if how == "cork":
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        if source >= 0:
            os.close(source)

    def sending(self):
        """Sends all that this end has to send of its own."""
        size = self.own.get("send", 0)
        try:
            if self.own.get("echo"):
                return
            data = stream(self.who, self.number, size)
            if self.closing == "abort":
                self.write(data[:size // 2])
                self.reset()
                return
            self.write(data)
            if self.closing == "shutdown" and not self.confirms:
                self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.note(error)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.shutdown(socket.SHUT_RD)	# ends the thread that reads
        self.sock.close()

    def take(self, part):
        self.hash.update(part)
        self.got += len(part)
        if self.own.get("echo"):
            self.sock.sendall(part)

    def receiving(self):
        """Reads to the end, or up to where it closes."""
        stops = [list(stop) for stop in sorted(self.own.get("stops", []))]
        all_of = self.expected()
        chunk, delay = self.own.get("read_chunk", 65536), self.own.get("read_delay", 0)
        time.sleep(self.own.get("first", 0))
        while True:
            if self.got >= all_of and self.closing in ("linger", "unread"):
                return
            if self.got >= all_of and self.confirms:
                self.writer.join()
                self.sock.sendall(b"k")
                self.confirms = False
            resets = self.closing in ("linger", "unread")
            part = self.sock.recv(min(chunk, all_of - self.got) if resets else chunk)
            if not part:
                return
            self.take(part)
            if delay:
                time.sleep(delay)
            while stops and self.got >= stops[0][0] * all_of:
                time.sleep(stops.pop(0)[1])

    def close(self):
        """Closes after the last byte that it reads."""
        self.writer.join()
        if self.closing in ("linger", "unread"):
            self.sock.recv(1, socket.MSG_PEEK)	# waits until the other end has all
            if self.closing == "linger":
                self.sock.recv(1)
                self.reset()
        self.sock.close()

    def run(self):
        if "late_rcvbuf" in self.own:	# less than the window that it has offered
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.own["late_rcvbuf"])
        self.writer = threading.Thread(target=self.later if self.own.get("after_end") else
                                       self.sending, daemon=True)
        self.read_all = threading.Event()
        self.writer.start()
        try:
            self.receiving()
            self.read_all.set()
            self.close()
        except OSError as error:
            if self.closing != "abort":
                self.note(error)
            self.read_all.set()
        self.over = True

    def later(self):
        self.read_all.wait()
        self.sending()

    def result(self):
        """As JSON: what must be the same with the box and without."""
        if self.closing == "abort" and self.over:
            return [self.name, "aborted"]
        if self.waits and self.over:	# how much came before the RST is chance
            size = self.other.get("send", 0)
            other = "server" if self.who == "client" else "client"
            whole = stream(other, self.number, size)[:self.got]
            right = hashlib.sha256(whole).hexdigest() == self.hash.hexdigest()
            return [self.name, "a part" if right else "other bytes", self.error]
        state = "open" if not self.over else self.error or "end"
        return [self.name, self.got, self.hash.hexdigest()[:12], state]


class Ends:
    """All connections of one side."""

    def __init__(self, case, who):
        self.case, self.who = case, who
        self.deadline = time.monotonic() + case["limit"]
        self.ends = []
        self.threads = []
        self.lock = threading.Lock()

    def start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        self.threads.append(thread)

    def one(self, sock, number, error=None):
        end = End(sock, self.case, self.who, number)
        with self.lock:
            self.ends.append(end)
        if error:
            end.note(error)
            end.over = True
            return
        end.run()

    def wait(self):
        for thread in self.threads:
            thread.join(max(0, self.deadline - time.monotonic()))

    def write(self, folder):
        lines = [json.dumps(end.result()) for end in self.ends]
        with open(folder + "/" + self.who, "w", encoding="ascii") as file:
            file.writelines(line + "\n" for line in sorted(lines))


class Server(Ends):
    listener = None

    def serve(self):
        own = self.case.get("server", {})
        listener = socket.socket(socket.AF_INET6)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        set_options(listener, own)
        listener.bind(("::", PORT))
        listener.listen(1024)
        self.listener = listener	# kept to the end, or a late client would be refused
        # The lab is not complete yet, and may take its time: the first client starts the limit.
        select.select([listener], [], [])
        self.deadline = time.monotonic() + self.case["limit"]
        for _ in range(self.case.get("connections", 1)):
            left = max(0, self.deadline - time.monotonic())
            if not select.select([listener], [], [], left)[0]:
                break
            time.sleep(own.get("accept_delay", 0))
            sock, peer = listener.accept()
            self.start(self.one, sock, peer[1] - FIRST_PORT)
        self.wait()


class Client(Ends):
    def connect(self, number):
        own = self.case.get("client", {})
        sock = socket.socket(socket.AF_INET6 if self.case.get("ip") == 6 else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        set_options(sock, own)
        sock.bind(("", FIRST_PORT + number))
        try:
            sock.connect((os.environ["RESEG_SERVER"], PORT))
        except OSError as error:
            self.one(sock, number, error)
            return
        self.one(sock, number)

    def run(self, done):
        start = time.monotonic()
        for number in range(self.case.get("connections", 1)):
            self.start(self.connect, number)
            time.sleep(self.case.get("gap", 0))
        self.wait()
        left = max(0, self.deadline - time.monotonic()) + 1
        finished = select.select([done], [], [], left)[0]
        return time.monotonic() - start if finished else None


def main():
    who, folder = sys.argv[1:]
    threading.stack_size(256 * 1024)
    with open(folder + "/case.json", encoding="ascii") as file:
        case = json.load(file)
    prepare(case.get(who, {}))
    if who == "server":
        server = Server(case, who)
        done = os.open(folder + "/done", os.O_RDWR)
        server.serve()
        server.write(folder)
        os.write(done, b"\n")
        threading.Event().wait()	# until the lab ends it, so that nothing is reset before
    client = Client(case, who)
    done = os.open(folder + "/done", os.O_RDWR)
    seconds = client.run(done)
    client.write(folder)
    with open(folder + "/seconds", "w", encoding="ascii") as file:
        file.write(json.dumps(seconds))
    os._exit(0)				# threads may hang


main()
