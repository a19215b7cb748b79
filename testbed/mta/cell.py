# SPDX-License-Identifier: GPL-2.0-or-later

"""
One message through one lab, and what came of it.

A cell is a point of the matrix. Each has a lab of its own, so cells can run side by side. Each
message is accounted for: the sender shows what it thinks and what it still has, the receiver what
it took, and the capture what was on the wire.
"""

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import secrets
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import account
import wire

FROM = "s@client.example"
LONGER_FROM = "ss@client.example"	# for one octet that recipients' addresses cannot add
PORT = 25
# For scripts and files of descriptions; docs/mta.md lists them.
VALUES = {"message": "/mnt/message", "helo": "client.example", "port": str(PORT), "work": "/mnt",
          "out": "/mnt/out", "received": "/mnt/out/received"}
SERVER_IPV4 = {
    "family": "4", "iptables": "iptables", "server": "203.0.113.2", "bracketed": "203.0.113.2",
    "literal": "[203.0.113.2]"
}
SERVER_IPV6 = {
    "family": "6", "iptables": "ip6tables", "server": "2001:db8:2::2",
    "bracketed": "[2001:db8:2::2]", "literal": "[IPv6:2001:db8:2::2]"
}
RECIPIENTS = 8		# enough for an envelope of 2000 octets
# RFC 5321 section 4.5.3.1 allows 64 and 255, and 254 for a whole address.
LOCAL_MAX, DOMAIN_MAX = 64, 180
TRIES = 30		# of a message whose style on the wire is chance (repeat_until)
NO_BOX = ["--no-box"]
PATIENCE = 5		# times the time-out, to wait for replies without the box
SEND_SECONDS = 30	# and ten time-outs: more than any message takes; then `send` is ended
NO_LIMIT = 720		# a time-out for senders that have none: ten times this is two hours
LAB_SECONDS = 30	# more, for everything around it


@dataclasses.dataclass(frozen=True)
class Cell:
    sender: str
    workaround: str
    receiver: str
    fault: str
    size: int

    def folder(self):
        return "-".join([self.sender, self.workaround, self.receiver, self.fault,
                         str(self.size)]).translate(str.maketrans("/:,= ", "_____"))


# Envelopes -----------------------------------------------------------------------------

def recipients_for(size, most):
    count = min(max(1, size // 60), RECIPIENTS)
    count = max(count, -(-size // 240))
    return min(count, most) if most else count


def addresses(count, octets):
    """`count` addresses of one domain, `octets` long in all; None if that is impossible."""
    least = len("r@x.example")
    domain = min(max(octets // count - 28, len("x.example")), DOMAIN_MAX)
    local = octets - count * (domain + 1)
    if local > count * LOCAL_MAX or local < count * 2 or octets < count * least:
        return None
    labels = domain - len(".example")
    name = "".join("." if i % 50 == 49 and i + 1 < labels else "x"
                   for i in range(labels)) + ".example"
    widths = [local // count + (i < local % count) for i in range(count)]
    # Digits first, so that no two are alike.
    return ["%s@%s" % (str(i).ljust(width, "r"), name) for i, width in enumerate(widths)]


def envelope(size, count, overhead, repeats):
    """
    A sender and `count` recipients for an envelope of this size. The envelope has `overhead` octets
    besides the recipients' addresses, each of which occurs in it `repeats` times.
    """
    rest, odd = divmod(size - overhead, repeats)
    if odd > len(LONGER_FROM) - len(FROM):
        return None, None
    return LONGER_FROM if odd else FROM, addresses(count, rest)


def new_mark():
    return secrets.token_hex(8)


def message(mark, padding=0):
    """
    The text of a message. Whatever headers a sender adds, without `padding` it is sent as more than
    512 octets and fewer than 1025. Each octet of `padding` makes it longer by one; a line end
    counts as two.
    """
    headers = (
        "From: <%s>\nTo: <r@x.example>\nSubject: through the box\n"
        "Date: Tue, 01 Jan 2008 00:00:00 +0000\n"
        "Message-Id: <reseg.%s@client.example>\n%s: %s\n\n" %
        (FROM, mark, account.MARK_HEADER, mark))
    lines = [("hello " * 9).strip()] * (0 if padding else 5)
    while padding > 0:
        # No line may be only a line end.
        octets = padding if padding <= 72 else 70 if padding < 75 else 72
        lines.append("x" * (octets - 2))
        padding -= octets
    return headers + "".join(line + "\n" for line in lines) + "end of message %s\n" % mark


def on_wire(text):
    """The number of its octets, each line end counted as two."""
    return len(text) + text.count("\n")


# Labs ----------------------------------------------------------------------------------

class Labs:
    """Starts labs, and ends those that run when the user interrupts."""

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

    @staticmethod
    def wait(process, limit):
        """Like process.wait(limit), but does not poll: virtual time has many seconds."""
        end = os.pidfd_open(process.pid)
        try:
            if not select.select([end], [], [], limit)[0]:
                raise subprocess.TimeoutExpired(process.args, limit)
        finally:
            os.close(end)
        return process.wait()

    def run(self, arguments, log, limit):
        """The exit status of reseg-lab; None if it took too long."""
        with self.lock:
            if self.stopped:
                raise KeyboardInterrupt
            process = subprocess.Popen(["reseg-lab", *arguments], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True)
            self.running.add(process)
        try:
            return self.wait(process, limit)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
            return None
        finally:
            with self.lock:
                self.running.discard(process)


def send_limit(options, sender):
    return SEND_SECONDS + 10 * options.timeout_of(sender)


def end_of_lab(role, mta, part, folder, values, settings, scripts, limits, options):
    """
    Writes what host.py is to do on one host. `limits`: how long `send` may take, and how long it
    goes on afterwards, in seconds. Returns the command that does it.
    """
    out = folder / role
    out.mkdir(parents=True)
    out.chmod(0o777)	# for the instance's users, while it runs; others cannot reach it
    binary = options.binary.get(mta.name, "") if role == "client" else ""
    # The user's own build is a program, or a tree that "make install" filled with DESTDIR.
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
        "sink": options.sink if role == "server" else "",
        "limit_s": limits[0],
        "for_s": limits[1],
        # Settings are filled in first, and may have values in them.
        "values": {**part.settings, **settings, **values},
        "scripts": {name: script for name, script in scripts.items() if script},
    }
    path = folder / (role + ".json")
    path.write_text(json.dumps(job), encoding="utf-8")
    return ["unshare", "--mount", "--propagation", "private", sys.executable,
            str(pathlib.Path(__file__).parent / "host.py"), str(path)]


def run_lab(labs, cell, workaround, mail, folder, box):
    """Sends this message, and captures all of it; or raises NotRun."""
    options = labs.options
    sender, receiver = options.mtas[cell.sender], options.mtas[cell.receiver]
    # Where nothing can stall, a late reply only means a slow, busy machine, and is never a finding.
    timeout = options.timeout_of(cell.sender)
    if box == NO_BOX and not options.real:
        timeout *= PATIENCE
    limits = send_limit(options, cell.sender), 0 if box == NO_BOX else options.seconds
    folder.mkdir(parents=True)
    values = {
        **VALUES, "timeout": str(timeout), "measures": "1" if box == NO_BOX else "",
        "real": "1" if options.real else "",
        "mark": mail.mark, **(SERVER_IPV6 if options.ipv6 else SERVER_IPV4)
    }
    offered = {}
    for keyword in workaround.needs:
        offered.update(receiver.receiver.extra.get(keyword, {}))
    for keyword in workaround.without:
        offered.update(receiver.receiver.without.get(keyword, {}))
    serve = end_of_lab("server", receiver, receiver.receiver, folder, values, offered,
                       {"serve": receiver.receiver.serve}, limits, options)
    part = dataclasses.replace(sender.sender,
                               files={**sender.sender.files, "/mnt/message": mail.text})
    settings = {**(part.real if options.real else {}), **workaround.settings}
    send = end_of_lab("client", sender, part, folder,
                      {**values, "from": mail.sender, "to": " ".join(mail.to)}, settings,
                      {"network": workaround.network, "setup": part.setup, "send": part.send,
                       "keep_trying": part.keep_trying, "queue": part.queue}, limits, options)
    try:
        with open(folder / "lab.log", "wb") as log:
            status = labs.run([
                *options.lab, *box, "--capture",
                str(folder), "--server", "exec " + shlex.join(serve), "--", *send
            ], log, LAB_SECONDS + sum(limits))
    finally:
        for role in ("client", "server"):
            (folder / role).chmod(0o755)
    if status != 0 or b"reseg-lab: the capture " in (folder / "lab.log").read_bytes():
        raise NotRun(why_not_run(folder, status), folder)


def read_wire(cell, mail, folder, options, talks):
    """The part of a row that comes from the capture."""
    workaround = options.workaround(cell)
    ours = wire.about(talks, mail.to)
    style = wire.style(ours)
    ended = account.result_of(folder)["ended"]
    texts = [
        one.text for talk in ours for one in wire.transactions(talk)
        if wire.is_of(one, mail.to) and one.text
    ]
    return {
        "wire": [wire.summary(talk) for talk in talks],
        "sizes": [
            len(group) for group in (wire.group(talk, mail.to) for talk in ours[-1:]) if group
        ],
        "message_sizes": [len(text) for text in texts],
        "style": style,
        "as_described": style == workaround.wire if workaround.wire and style else None,
        "waited_s": round(wire.longest_silence(folder / "lab.pcapng", PORT, ended), 1),
        "must_stall": any(
            wire.is_stalled(talk, options.segment_size, options.timeout_of(cell.sender) / 2)
            for talk in ours) if options.is_law(cell.fault) else None,
    }


def account_for(cell, mail, folder, options, talks):
    """The rest of a row: outcome, detail and recipients."""
    found = account.accounts(options.mtas[cell.sender].sender, folder, mail.text, mail.mark,
                             mail.to, wire.answers(talks, mail.to))
    outcome, detail = account.summary(found)
    return {"outcome": outcome, "detail": detail, "recipients": found}


# Cells ---------------------------------------------------------------------------------

@dataclasses.dataclass
class Mail:
    """A message under test."""
    sender: str
    to: list
    mark: str
    text: str

    @staticmethod
    def make(sender, to, octets=0):
        """`octets`: its length, line ends counted as two; 0: as it comes."""
        mark = new_mark()
        text = message(mark)
        if octets:
            least = on_wire(message(mark)) - 5 * len("hello " * 9 + "\n")
            if octets < least + 2:
                return None
            text = message(mark, octets - least)
        return Mail(sender, to, mark, text)


class Sizes:
    """
    How many octets of an envelope are not recipients' addresses, and how often an address occurs in
    it (with DSN twice, RFC 3461). Both are measured, once for each sender, work-around, receiver
    and number of recipients, by a message without a box in its way. Also measures how many octets
    the sender adds to the message.
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
        mail = Mail.make(FROM, addresses(count, count * 40), options.message_size)
        folder = options.work / cell.folder()
        workaround = options.workaround(cell)
        if workaround.size_of:
            other = options.workarounds(cell.sender)[workaround.size_of]
            workaround = dataclasses.replace(workaround, settings=other.settings)
        # Under TLS nothing can be seen, and the commands are the same.
        workaround = dataclasses.replace(
            workaround, needs=[need for need in workaround.needs if need != "starttls"])
        style = "" if workaround.wire else options.mtas[cell.sender].sender.repeat_until
        for _ in range(TRIES):
            talks = self.send(cell, workaround, mail, folder)
            if style in ("", wire.style(talks)):
                break
        return self.read(mail, folder, talks)

    def send(self, cell, workaround, mail, folder):
        shutil.rmtree(folder, ignore_errors=True)
        run_lab(self.labs, cell, workaround, mail, folder, NO_BOX)
        talks = wire.dialogues(folder / "lab.pcapng", PORT)
        seen = account_for(cell, mail, folder, self.labs.options, talks)
        if seen["outcome"] == "stalled":
            raise NotRun(
                "`send` did not end within %d s, without the box: it must end once it knows what "
                "became of the message" % send_limit(self.labs.options, cell.sender), folder)
        if seen["outcome"] != "delivered":
            raise NotRun("%s without the box: %s" % (seen["outcome"], seen["detail"]), folder)
        return wire.about(talks, mail.to)

    @staticmethod
    def read(mail, folder, talks):
        for talk in reversed(talks):
            group = wire.group(talk, mail.to)
            if group:
                shutil.rmtree(folder)
                repeats = max(1, group.count(mail.to[0].encode("ascii")))
                texts = [
                    one.text for one in wire.transactions(talk)
                    if wire.is_of(one, mail.to) and one.text
                ]
                added = len(texts[-1]) - on_wire(mail.text) if texts else 0
                return len(group) - repeats * sum(map(len, mail.to)), repeats, added
        raise NotRun("no envelope can be found in its capture", folder)


class NotRun(Exception):
    """Why a cell was not run, and where to read more."""

    def __init__(self, text, folder=None):
        super().__init__(text)
        self.text = text
        self.folder = folder


def why_not_run(folder, status):
    if status is None:
        return "the lab did not end in time"
    # What failed first says the most about the cause.
    lines = [
        line.strip()
        for line in (folder / "lab.log").read_text(encoding="utf-8", errors="replace").split("\n")
    ]
    lines = [line for line in lines if line]
    return ([line for line in lines if not line.startswith("reseg-lab:")] + lines[-1:] +
            ["the lab's status was %d" % status])[0]


def mail_for(labs, sizes, cell):
    """A message whose envelope, and text if required, have these sizes on the wire."""
    options = labs.options
    most = options.mtas[cell.sender].sender.max_recipients
    count = recipients_for(cell.size, most)
    overhead, repeats, added = sizes.measured(cell, count)
    sender_address, to = envelope(cell.size, count, overhead, repeats)
    if not to:
        raise NotRun("no envelope of %d octets can be made (recipients: %d%s)" % (
            cell.size, count, " at most" if most else ""))
    mail = Mail.make(sender_address, to, options.message_size
                     and max(1, options.message_size - added))
    if mail is None:
        raise NotRun("no message of %d octets can be made: its headers alone are longer" %
                     options.message_size)
    return mail


def check_sizes(cell, row, options):
    """A delivered message must have the sizes that its row claims. Other outcomes stand."""
    if row["outcome"] != "delivered":
        return
    if any(size != cell.size for size in row["sizes"]) and not options.workaround(cell).size_of:
        raise NotRun("its envelopes have %s octets" % " and ".join(map(str, row["sizes"])))
    if options.message_size and any(size != options.message_size for size in row["message_sizes"]):
        raise NotRun("its messages have %s octets" % " and ".join(map(str, row["message_sizes"])))


def attempt(labs, cell, mail, folder):
    """Sends the message once. Returns what a row says of it."""
    options = labs.options
    shutil.rmtree(folder, ignore_errors=True)
    run_lab(labs, cell, options.workaround(cell), mail, folder, options.box(cell.fault))
    talks = wire.dialogues(folder / "lab.pcapng", PORT)
    row = {
        **read_wire(cell, mail, folder, options, talks),
        **account_for(cell, mail, folder, options, talks)
    }
    if options.seconds:
        row["timeline"] = wire.timeline(talks, mail.to)
    return row


def is_settled(row, style):
    """
    Is another try pointless? Only an envelope that was written whole can have the wrong
    style.
    """
    whole = any("DATA" in connection or "BDAT" in connection
                for talk in row["wire"] for connection in talk)
    return style in ("", row["style"]) or not whole or row["outcome"] not in ("delivered",
                                                                              "deferred")


def run(labs, sizes, cell):
    """A row."""
    options = labs.options
    row = {
        **dataclasses.asdict(cell), "outcome": "not-run", "detail": "", "wire": [], "sizes": [],
        "message_sizes": [], "style": "", "as_described": None, "waited_s": 0.0,
        "must_stall": None,
        "recipients": [], "tries": 0, "time_s": 0.0, "folder": ""
    }
    reason = options.why_not(cell)
    if reason:
        return {**row, "detail": reason}
    folder = options.work / cell.folder()
    start = time.monotonic()
    style = "" if options.workaround(cell).wire else options.mtas[cell.sender].sender.repeat_until
    try:
        mail = mail_for(labs, sizes, cell)
        for tries in range(1, TRIES + 1):
            seen = attempt(labs, cell, mail, folder)
            if is_settled(seen, style):
                break
        else:
            raise NotRun("in %d tries its envelope was never in one segment" % TRIES, folder)
        check_sizes(cell, seen, options)
    except NotRun as reason:
        place = reason.folder or (folder if folder.is_dir() else None)
        return {**row, "detail": reason.text, "folder": place.name if place else ""}
    except Exception as error:	# the user's own description may have anything in it
        return {**row, "detail": "%s: %s" % (type(error).__name__, error)}
    return {
        **row, **seen, "tries": tries, "time_s": round(time.monotonic() - start, 3),
        "folder": folder.name
    }
