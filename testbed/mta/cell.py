# SPDX-License-Identifier: GPL-2.0-or-later

"""
One message through one lab, and what came of it.

A cell is a point of the matrix. Each has a lab of its own, so cells can run side by side, and
each message is accounted for: the sender says what it thinks and what it still has, the
receiver what it took, and the capture what was on the wire.
"""

import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import wire

FROM = "s@client.example"
LONGER_FROM = "ss@client.example"	# for an octet that recipients cannot make up for
PORT = 25
# For scripts and files of descriptions; docs/mta.md lists them.
VALUES = {"message": "/mnt/message", "helo": "client.example", "port": str(PORT), "work": "/mnt",
          "out": "/mnt/out", "received": "/mnt/out/received"}
SERVER_IPV4 = {"family": "4", "iptables": "iptables", "server": "203.0.113.2", "bracketed": "203.0.113.2",
               "literal": "[203.0.113.2]"}
SERVER_IPV6 = {"family": "6", "iptables": "ip6tables", "server": "2001:db8:2::2", "bracketed": "[2001:db8:2::2]",
               "literal": "[IPv6:2001:db8:2::2]"}
RECIPIENTS = 8		# enough for an envelope of 2000 octets
# RFC 5321 section 4.5.3.1 has 64 and 255, and 254 for both.
LOCAL_MAX, DOMAIN_MAX = 64, 180
TRIES = 30		# of what takes luck
NO_BOX = ["--no-box"]
PATIENCE = 5		# times the time-out, to wait for replies without the box
LAB_SECONDS = 30	# and ten time-outs: more than any message takes


@dataclasses.dataclass(frozen=True)
class Cell:
    sender: str
    workaround: str
    receiver: str
    fault: str
    size: int

    def folder(self):
        return "-".join([self.sender, self.workaround, self.receiver, self.fault, str(self.size)]).translate(
            str.maketrans("/:,= ", "_____"))


# Envelopes -----------------------------------------------------------------------------

def recipients_for(size, most):
    count = min(max(1, size // 60), RECIPIENTS)
    count = max(count, -(-size // 240))
    return min(count, most) if most else count


def addresses(count, octets):
    """So many addresses with so many octets in all, of one domain; None if there are none such."""
    least = len("r@x.example")
    domain = min(max(octets // count - 28, len("x.example")), DOMAIN_MAX)
    local = octets - count * (domain + 1)
    if local > count * LOCAL_MAX or local < count * 2 or octets < count * least:
        return None
    labels = domain - len(".example")
    name = "".join("." if i % 50 == 49 and i + 1 < labels else "x" for i in range(labels)) + ".example"
    widths = [local // count + (i < local % count) for i in range(count)]
    # Digits first, that no two are alike.
    return ["%s@%s" % (str(i).ljust(width, "r"), name) for i, width in enumerate(widths)]


def envelope(size, count, overhead, repeats):
    """
    A sender and so many recipients, for an envelope of this size that has `overhead` octets
    besides the recipients' addresses, each of which stands in it `repeats` times.
    """
    rest, odd = divmod(size - overhead, repeats)
    if odd > len(LONGER_FROM) - len(FROM):
        return None, None
    return LONGER_FROM if odd else FROM, addresses(count, rest)


def message(to):
    """With its headers as sent, longer than 512 octets and shorter than 1025, whoever adds some."""
    headers = ("From: <%s>\nTo: <%s>\nSubject: through the box\nDate: Tue, 01 Jan 2008 00:00:00 +0000\n"
               "Message-Id: <reseg@client.example>\n\n" % (FROM, to[0]))
    return headers + ("%s\n" % ("hello " * 9).strip()) * 7 + "end of message\n"


# Labs ----------------------------------------------------------------------------------

class Labs:
    """Starts labs, and ends those that run when the user has had enough."""

    def __init__(self, options):
        self.options = options
        self.running = set()
        self.lock = threading.Lock()
        self.stopped = False

    def stop(self):
        with self.lock:
            self.stopped = True
            for process in self.running:
                process.send_signal(signal.SIGTERM)

    def run(self, arguments, log, limit):
        """The exit status of reseg-lab; None if it took too long."""
        with self.lock:
            if self.stopped:
                raise KeyboardInterrupt
            process = subprocess.Popen(["reseg-lab", *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
            self.running.add(process)
        try:
            return process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
            return None
        finally:
            with self.lock:
                self.running.discard(process)


def end_of_lab(role, mta, part, folder, values, settings, scripts, options):
    """Writes what host.py is to do on one host; returns the command that does it."""
    out = folder / role
    out.mkdir(parents=True)
    out.chmod(0o777)	# for the users of the instance, while it runs; all is in its owner's folder
    binary = options.binary.get(mta.name, "") if role == "client" else ""
    # One's own build is a program, or a tree that "make install" filled by DESTDIR.
    is_tree = os.path.isdir(binary)
    job = {
        "mta": mta.name,
        "out": str(out),
        "tree": binary if is_tree else str(options.trees / mta.name) if mta.packages else "",
        "binary": "" if is_tree else binary,
        "program": mta.program,
        "users": mta.users,
        "needs_users": part.needs_users,
        "files": {**mta.files, **part.files},
        "tmpfs": part.tmpfs,
        "sink": options.sink if mta.name == "reseg-sink" else "",
        # Settings are filled in first, and may have values in them.
        "values": {**part.settings, **settings, **values},
        "scripts": {name: script for name, script in scripts.items() if script},
    }
    path = folder / (role + ".json")
    path.write_text(json.dumps(job), encoding="utf-8")
    return ["unshare", "--mount", "--propagation", "private", sys.executable,
            str(pathlib.Path(__file__).parent / "host.py"), str(path)]


def run_lab(labs, cell, workaround, sender_address, to, folder, box):
    """Sends one message between these addresses. Returns the lab's status."""
    options = labs.options
    sender, receiver = options.mtas[cell.sender], options.mtas[cell.receiver]
    # Where nothing can stall, who is late is only slow: a busy machine, and never a finding.
    timeout = options.timeout * (PATIENCE if box == NO_BOX else 1)
    folder.mkdir(parents=True)
    values = {**VALUES, "timeout": str(timeout), **(SERVER_IPV6 if options.ipv6 else SERVER_IPV4)}
    offered = {}
    for keyword in workaround.needs:
        offered.update(receiver.receiver.extra.get(keyword, {}))
    for keyword in workaround.without:
        offered.update(receiver.receiver.without.get(keyword, {}))
    serve = end_of_lab("server", receiver, receiver.receiver, folder, values, offered,
                       {"serve": receiver.receiver.serve}, options)
    part = dataclasses.replace(sender.sender, files={**sender.sender.files, "/mnt/message": message(to)})
    send = end_of_lab("client", sender, part, folder,
                      {**values, "from": sender_address, "to": " ".join(to)}, workaround.settings,
                      {"network": workaround.network, "setup": part.setup, "send": part.send,
                       "queue": part.queue}, options)
    try:
        with open(folder / "lab.log", "wb") as log:
            return labs.run([*options.lab, *box, "--capture", str(folder), "--server", "exec " + shlex.join(serve),
                             "--", *send], log, LAB_SECONDS + 10 * timeout)
    finally:
        for role in ("client", "server"):
            (folder / role).chmod(0o755)


# Accounts ------------------------------------------------------------------------------

def last_line(folder, names, pattern):
    """The last line of these logs that the pattern is in, or the part that its group is."""
    found = ""
    for name in names:
        path = folder / name
        if pattern and path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                match = re.search(pattern, line)
                if match:
                    found = (match.groups() or [line])[0].strip()
    return found


def accepted(folder):
    """How often the receiver took the message for each address."""
    counts = collections.Counter()
    path = folder / "server" / "received"
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            # The null sender's are reports on it.
            if event["event"] == "message" and event["from"]:
                counts.update(event["to"])
    return counts


def account(sender, folder, to):
    """The outcome of the message, and the line that says why."""
    result = json.loads((folder / "client" / "result.json").read_text(encoding="utf-8"))
    logs = [sender.log, "output"]
    took = [accepted(folder)[address] for address in to]
    bounced = last_line(folder / "client", logs, sender.bounced)
    deferred = last_line(folder / "client", logs, sender.deferred)
    failed = result["status"] != 0
    # Whoever called still has the message if he was told of a failure.
    has = failed or (result["queued"] or 0) > 0
    why = bounced or deferred or (last_line(folder / "client", ["output"], ".") if failed else "")
    if max(took) > 1:
        return "duplicated", why
    if all(took) and has and not (bounced or result["status"] in sender.permanent):
        return "duplicated", "taken, and still to be sent: " + why
    if all(took):
        return "delivered", ""
    if bounced or result["status"] in sender.permanent:
        return "bounced", why
    if has:
        return "deferred", why
    return "lost", why or "the sender is content, and nobody has the message"


def read_wire(cell, folder, options):
    """The part of a row that the capture says."""
    talks = wire.dialogues(folder / "lab.pcapng", PORT)
    workaround = options.workaround(cell)
    style = wire.style(talks)
    return {
        "wire": [wire.summary(talk) for talk in talks],
        "sizes": [len(group) for group in (wire.group(talk, options.mtas[cell.sender].sender.group)
                                           for talk in talks[-1:]) if group],
        "style": style,
        "as_described": style == workaround.wire if workaround.wire else None,
        "must_stall": any(wire.is_stalled(talk, options.segment_size, options.timeout / 2) for talk in talks)
                      if options.is_law(cell.fault) else None,
    }


# Cells ---------------------------------------------------------------------------------

class Sizes:
    """
    How many octets of an envelope are not recipients' addresses, and how often one stands in it
    (DSN has them twice, RFC 3461): measured, once for each sender, receiver and number of
    recipients, by a message that no box is in the way of.
    """

    def __init__(self, labs):
        self.labs = labs
        self.lock = threading.Lock()
        self.known = {}

    def measured(self, cell, count):
        cell = dataclasses.replace(cell, fault="no-box", size=count)
        with self.lock:
            future = self.known.get(cell)
            mine = future is None
            if mine:
                future = self.known[cell] = concurrent.futures.Future()
        if mine:
            try:
                future.set_result(self.measure(cell, count))
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def measure(self, cell, count):
        options = self.labs.options
        to = addresses(count, count * 40)
        folder = options.work / cell.folder()
        workaround = options.workaround(cell)
        if workaround.size_of:
            other = options.workarounds(cell.sender)[workaround.size_of]
            workaround = dataclasses.replace(workaround, settings=other.settings)
        # Under TLS there is nothing to see, and the commands are the same.
        workaround = dataclasses.replace(workaround, needs=[need for need in workaround.needs if need != "starttls"])
        status = run_lab(self.labs, cell, workaround, FROM, to, folder, NO_BOX)
        if status != 0:
            raise NotRun(why_not_run(folder, status), folder)
        outcome, why = account(options.mtas[cell.sender].sender, folder, to)
        if outcome != "delivered":
            raise NotRun("%s without the box: %s" % (outcome, why), folder)
        for talk in reversed(wire.dialogues(folder / "lab.pcapng", PORT)):
            group = wire.group(talk, options.mtas[cell.sender].sender.group)
            if group:
                shutil.rmtree(folder)
                repeats = max(1, group.count(to[0].encode("ascii")))
                return len(group) - repeats * sum(map(len, to)), repeats
        raise NotRun("no envelope can be found in its capture", folder)


class NotRun(Exception):
    """Why a cell was not run, and where more is said of it."""

    def __init__(self, text, folder=None):
        super().__init__(text)
        self.text = text
        self.folder = folder


def why_not_run(folder, status):
    if status is None:
        return "it did not end in time"
    # Who was first to fail knows best.
    return (last_line(folder, ["lab.log"], "^(?!reseg-lab:)") or last_line(folder, ["lab.log"], ".") or
            "the lab's status was %d" % status)


def run(labs, sizes, cell):
    """A row."""
    options = labs.options
    row = {**dataclasses.asdict(cell), "outcome": "not-run", "detail": "", "wire": [], "sizes": [], "style": "",
           "as_described": None, "must_stall": None, "tries": 0, "time_s": 0.0, "folder": ""}
    reason = options.why_not(cell)
    if reason:
        return {**row, "detail": reason}
    folder = options.work / cell.folder()
    start = time.monotonic()
    sender = options.mtas[cell.sender].sender
    style = "" if options.workaround(cell).wire else sender.repeat_until
    try:
        count = recipients_for(cell.size, sender.max_recipients)
        sender_address, to = envelope(cell.size, count, *sizes.measured(cell, count))
        if not to:
            raise NotRun("no envelope of %d octets: it has %d recipient%s" % (
                cell.size, count, " at most" if sender.max_recipients else "s"))
        for tries in range(1, TRIES + 1):
            shutil.rmtree(folder, ignore_errors=True)
            status = run_lab(labs, cell, options.workaround(cell), sender_address, to, folder,
                             options.box(cell.fault))
            if status != 0:
                raise NotRun(why_not_run(folder, status), folder)
            seen = read_wire(cell, folder, options)
            outcome, detail = account(sender, folder, to)
            # What was not measured would not be worth its name.
            if any(size != cell.size for size in seen["sizes"]) and not options.workaround(cell).size_of:
                raise NotRun("its envelopes have %s octets" % " and ".join(map(str, seen["sizes"])), folder)
            if style in ("", seen["style"]) or outcome in ("lost", "duplicated"):
                break
        else:
            raise NotRun("in %d tries its envelope never was in one segment" % TRIES, folder)
    except NotRun as reason:
        return {**row, "detail": reason.text, "folder": reason.folder.name if reason.folder else ""}
    except Exception as error:	# one's own description may have anything in it
        return {**row, "detail": "%s: %s" % (type(error).__name__, error)}
    return {**row, "outcome": outcome, "detail": detail, **seen, "tries": tries,
            "time_s": round(time.monotonic() - start, 3), "folder": folder.name}
