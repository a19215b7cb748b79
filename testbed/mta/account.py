# SPDX-License-Identifier: GPL-2.0-or-later

"""
What came of one message, for each recipient.

The message carries a mark of its own in a header and in its last line. That tells it from whatever
else the sender sends, above all bounces. The outcome is found from the receiver's store, the
sender's queue, its log and exit status, and the replies that it got.
"""

import collections
import dataclasses
import json
import re

MARK_HEADER = "X-Reseg-Mark"
# The worst first: the outcome of a message is the worst of its recipients'.
OUTCOMES = ["lost", "duplicated", "altered", "bounced", "stalled", "deferred", "delivered"]

# A message that a receiver took; `text` is None if the receiver did not keep it.
Taken = collections.namedtuple("Taken", "sender to text")


@dataclasses.dataclass
class Witness:
    """What the sender shows about the message."""
    status: int		# exit status of `send`; None: it had to be ended
    told: str		# its last words
    queued: list	# the words of the `queue` script; None: there is no such script
    log: list		# (outcome, reason to report, line), in their order
    answers: dict	# by address: the reply that decided on it
    permanent: list
    reports: bool	# the receiver took a report on the message

    def keeps(self, address):
        """
        Is the message still to be sent to this address? None: the queue does not say for whom.
        """
        shown = [word.strip("<>,") for word in self.queued or [] if "@" in word]
        if self.queued is None or self.queued and not shown:
            return None
        return address in shown

    def keeps_any(self):
        return bool(self.queued)

    def reported(self, to):
        """Has the sender sent a report on the message, or does it have one to send?"""
        return self.reports or any(word.strip("<>,") not in to for word in self.queued or [])

    def says(self, address, to):
        """
        The last line of the log about this recipient, and the last about all: it names none, or
        leaves out names.
        """
        own = general = None
        for outcome, why, line in self.log:
            begins = [line.find(other) for other in to if other in line]
            # Others may be named after the first, as in "timeout after RCPT TO:<...>".
            listed = line[min(begins):].split()[0].rstrip(".") if begins else ""
            if address in re.split(r"[,<>:;]|\.\.\.", listed):
                own = outcome, why
            # sendmail shortens long lists in their middle.
            if not begins or "..." in listed:
                general = outcome, why
        return own, general

    def knows(self):
        """Has the author of the message been told of a failure, or will the sender try again?"""
        return self.status != 0 or bool(self.queued) or bool(self.log) or self.reports


# Contents ------------------------------------------------------------------------------

def parts_of(text):
    """
    (headers with folded lines joined, lines of the body), whatever the line ends; without empty
    lines at the end.
    """
    head, _, body = text.replace("\r\n", "\n").rstrip("\n").partition("\n\n")
    headers = re.sub(r"\n[ \t]+", " ", head).split("\n")
    return [re.sub(r":\s*", ": ", header.strip(), count=1) for header in headers], body.split("\n")


def change(sent, came):
    """How the message differs from what was sent, or nothing. Headers may be added."""
    headers, body = parts_of(sent)
    other_headers, other_body = parts_of(came)
    for header in headers:
        name = header.partition(":")[0].lower()
        if not any(other.lower() == header.lower() for other in other_headers):
            now = [other for other in other_headers if other.partition(":")[0].lower() == name]
            if now:
                return "header \"%s\" became \"%s\"" % (header, now[0])
            return "header \"%s\" is gone" % header
    for number, (line, other) in enumerate(zip(body, other_body), 1):
        if line != other:
            return "line %d of the text was \"%s\" and became \"%s\"" % (
                number, line[:60], other[:60])
    if len(body) != len(other_body):
        return "of %d lines %d arrived" % (len(body), len(other_body))
    return ""


def is_marked(taken, mark):
    """
    Is this the message under test? Either mark will do, because the fault may have changed one. A
    quotation in a report has the mark in neither place.
    """
    if taken.sender == "":
        return False
    if taken.text is None:
        return True
    headers, body = parts_of(taken.text)
    end = [line for line in body if line.strip()][-1:]
    in_header = any(header.startswith(MARK_HEADER) and mark in header for header in headers)
    return in_header or mark in "".join(end)


def store(folder):
    """What the receiver took."""
    found = []
    path = folder / "server" / "received"
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        event = json.loads(line)
        if event["event"] != "message":
            continue
        text = None
        if event.get("saved"):
            kept = folder / "server" / "messages" / event["saved"]
            text = kept.read_bytes().decode("utf-8", "replace")
        found.append(Taken(event["from"], event["to"], text))
    return found


# Logs ----------------------------------------------------------------------------------

def log_lines(folder, names, patterns):
    """
    (outcome, reason to report, line) for each line of these files that matches one of the patterns.
    """
    found = []
    for name in names:
        path = folder / name
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            for outcome, pattern in patterns.items():
                match = re.search(pattern, line) if pattern else None
                if match:
                    found.append((outcome, (match.groups() or [line])[0].strip(), line))
    return found


def last_words(path):
    """The line that names an error, as runtimes do somewhere in a trace; otherwise the last one."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    named = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception)\b", line)]
    return (named or lines or [""])[-1]


def result_of(folder):
    """What host.py has noted on the client."""
    return json.loads((folder / "client" / "result.json").read_text(encoding="utf-8"))


def witness(sender, folder, answers, reports):
    result = result_of(folder)
    logs = dict.fromkeys([sender.log, "output"])
    told = last_words(folder / "client" / "output")
    if result["status"]:
        told = "exit status %d%s" % (result["status"], ": " + told if told else "")
    patterns = {"deferred": sender.deferred, "bounced": sender.bounced}
    return Witness(result["status"], told, result["queued"],
                   log_lines(folder / "client", logs, patterns), answers, sender.permanent, reports)


# Accounts ------------------------------------------------------------------------------

def of_untaken(seen, address, to):
    """The outcome for a recipient who does not have the message."""
    own, general = seen.says(address, to)
    answer = seen.answers.get(address)
    refused = answer if answer and answer.code >= 400 else None
    if seen.status is None:
        return "stalled", "the sender did not end: %s" % (seen.told or "it said nothing")
    if own and own[0] == "bounced":
        return own
    why = own[1] if own else refused.text if refused else general[1] if general else seen.told
    if seen.keeps(address):
        return "deferred", why
    if not seen.knows():
        return "lost", "the sender reports no failure, and nobody has the message"
    if seen.keeps(address) is False and seen.reported(to):
        return "bounced", why or "the sender reported that it has given up"
    said_so = seen.status != 0 or general and general[0] == "bounced"
    if seen.keeps(address) is False and not said_so:
        return "lost", "the sender no longer has it, and reported no failure: " + why
    if own:
        return own
    if refused:
        return "bounced" if refused.code >= 500 else "deferred", why
    if general:
        return general
    return "bounced" if seen.status in seen.permanent else "deferred", why


def of_taken(seen, address, to, all_taken):
    """The outcome for a recipient who has the message once, as it was sent."""
    own, general = seen.says(address, to)
    why = own[1] if own else general[1] if general else seen.told
    # A sender that believes that it failed for good does not send it again.
    failed = general and general[0] == "bounced" and not seen.keeps_any()
    if own and own[0] == "bounced" or all_taken and (failed or seen.status in seen.permanent):
        return "delivered", ""
    answer = seen.answers.get(address)
    if seen.status is None:
        again = not answer or answer.code >= 400
    elif seen.keeps(address) is not None and seen.queued:
        again = seen.keeps(address)
    elif all_taken:
        again = seen.status != 0 or seen.keeps_any()
    else:
        # Others failed, which explains the status. Did the sender learn that this one is done?
        again = seen.status != 0 and address in seen.answers and (not answer or answer.code >= 400)
    if again:
        return "duplicated", "taken, but will be sent again" + (": " + why if why else "")
    return "delivered", ""


def accounts(sender, folder, sent, mark, to, answers):
    """A list of {address, outcome, detail} for the recipients."""
    taken = store(folder)
    ours = [one for one in taken if is_marked(one, mark)]
    seen = witness(sender, folder, answers, any(one.sender == "" for one in taken))
    # An address that is not ours is an altered one, unless the sender wrote it for another message.
    others = [other for one in ours for other in one.to if other not in to and
              (other not in answers or not set(one.to).isdisjoint(to))]
    copies = {address: [one for one in ours for other in one.to if other == address]
              for address in to}
    found = []
    for address, copy in copies.items():
        changes = [change(sent, one.text) for one in copy if one.text is not None]
        if len(copy) > 1:
            outcome, why = "duplicated", "taken %d times" % len(copy)
        elif any(changes):
            outcome, why = "altered", changes[0]
        elif copy:
            outcome, why = of_taken(seen, address, to, all(copies.values()))
        elif others:
            outcome, why = "altered", "taken for %s instead" % others.pop(0)
        else:
            outcome, why = of_untaken(seen, address, to)
        found.append({"address": address, "outcome": outcome, "detail": why})
    return found


def summary(found):
    """The outcome of the message, and why."""
    worst = min((one["outcome"] for one in found), key=OUTCOMES.index)
    those = [one for one in found if one["outcome"] == worst]
    why = those[0]["detail"]
    if len(those) < len(found):
        why = "%d of %d recipients%s" % (len(those), len(found), ": " + why if why else "")
    return worst, why
