# SPDX-License-Identifier: GPL-2.0-or-later
"""verdicts.py: what must be true after a run of testbed/long/seeds, whatever the lab was

It looks from outside: at the event log, what the clients printed, and the box's counters. Each
problem is a kind and a text; the kind tells two failures apart when a case is reduced.
"""

import collections
import json
import re

ECHO, SMTP = 7, 25
# With these a healthy end gets all data: docs/faults.md.
HARMLESS = ("none", "drop", "duplicate", "reorder")
# These change what an end receives.
ALTERING = ("corrupt", "banner-mask", "split-command")
CUTTING = ("off-by-one", "split-command", "split-eod", "psh-hold", "hello-256-511",
           "ack-then-die")
# Messages of resegd and the lab that an odd network may cause.
ALLOWED = re.compile(r"carry less|pieces of .* go out in parts|some were lost: give a larger"
                     r"|packets are missing")


class Run:
    """All that a run left behind, parsed."""

    def __init__(self, case, folder, stderr):
        self.case, self.stderr = case, stderr
        self.fault, _, keys = case["fault"].partition(":")
        self.keys = dict(key.split("=") for key in keys.split(",") if keys)
        self.clients = []
        for number, client in enumerate(case["clients"], 1):
            text = (folder / ("%d.txt" % number)).read_text(encoding="utf-8", errors="replace")
            status = int((folder / ("%d.status" % number)).read_text())
            self.clients.append((client, status, text))
        lines = (folder / "capture/events.jsonl").read_text(encoding="utf-8").splitlines()
        self.events = [json.loads(line) for line in lines]
        self.flows = collections.defaultdict(list)
        for event in self.events:
            self.flows[event["flow"]].append(event)
        self.status, self.then = (json.loads((folder / name).read_text(encoding="utf-8"))
                                  for name in ("status.json", "then.json"))
        decoder, text, self.asked = json.JSONDecoder(), (folder / "flows").read_text(), []
        while text.strip():
            answer, end = decoder.raw_decode(text.lstrip())
            self.asked.append(answer)
            text = text.lstrip()[end:]

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def is_harmless(self):
        """Was the box no more than a relay? A fault that never acted is none."""
        return self.fault in HARMLESS or not self.of("fault")

    def is_off_by_one(self):
        return self.fault == "off-by-one" and set(self.keys) <= {"over"}

    def has_aborts(self, port):
        """Do clients end connections in the middle?"""
        return port == ECHO and any("kill" in client or "abort_every" in client
                                    for client in self.case["clients"])


# The event log -------------------------------------------------------------------------------


def opened(flow):
    """Its flow_opened, or None. A fault may act before that, on the SYN-ACK."""
    first = next((event for event in flow if event["event"] != "fault"), None)
    return first if first and first["event"] == "flow_opened" else None


def closed(flow):
    return flow[-1] if flow[-1]["event"] == "flow_closed" else None


def check_log(run):
    """The log is whole: each connection begins and ends once, and its numbers of bytes agree."""
    for number, flow in run.flows.items():
        kinds = collections.Counter(event["event"] for event in flow)
        if not opened(flow) or not closed(flow) or kinds["flow_opened"] != 1 \
                or kinds["flow_closed"] != 1:
            yield "log", "flow %d is opened %d times and closed %d times, first %s, last %s" % (
                number, kinds["flow_opened"], kinds["flow_closed"], flow[0]["event"],
                flow[-1]["event"])
            continue
        for relay in closed(flow)["relays"]:
            arrived = sum(event["bytes"] for event in flow if event["event"] == "arrival"
                          and event["source"] == relay["source"])
            if relay["acked"] != arrived or relay["orphaned"] != arrived - relay["delivered"]:
                yield "books", "flow %d: %d bytes arrived from the %s, but it ends with %s" % (
                    number, arrived, relay["source"], relay)
    if run.of("events_lost"):
        yield "log", "lines of the event log are lost"


def cut(pending, size, over):
    """Pieces and what is held, by the loop of docs/wire.md; over 0: nothing is held."""
    pieces = []
    while pending > 0 and not (over and pending == size + over):
        pieces.append(min(pending, size))
        pending -= pieces[-1]
    return pieces, pending


def check_half(flow, source, size, over):
    """All arrivals are cut as the law says. Yields what differs from that."""
    held = end = done = 0
    due = None
    for event in flow:
        if event.get("source") != source or event["event"] not in ("arrival", "cut", "stall"):
            continue
        if due and event["event"] == "arrival":
            yield "instead of a cut of %d pieces there is %s" % (len(due), event)
        if event["event"] == "arrival":
            if event["offset"] != end or event["pending"] != held + event["bytes"]:
                yield "%d bytes up to %d are held, but there is %s" % (held, end, event)
            end = event["offset"] + event["bytes"]
            due, held = cut(event["pending"], size, over)
        elif event["event"] == "cut":
            if (event["offset"], event["bytes"], event["pieces"]) != (
                    done, sum(due or []), len(due or [])) or event["last_piece"] != due[-1]:
                yield "pieces %s from %d on are due, but there is %s" % (due, done, event)
            done = event["offset"] + event["bytes"]
            due = None
        elif event["pending"] != held or held != size + over:
            yield "%d bytes are held, but there is %s" % (held, event)
    if due:
        yield "a cut of %d pieces is missing" % len(due)
    if done + held != end:
        yield "%d bytes arrived, but %d are cut and %d held" % (end, done, held)


def held_of(flow, source):
    """Bytes that were never cut."""
    ends = [sum(event["bytes"] for event in flow if event["event"] == kind
                and event["source"] == source) for kind in ("arrival", "cut")]
    return ends[0] - ends[1]


def check_law(run):
    """Which bytes are cut where, and which are held."""
    over = int(run.keys.get("over", 1)) if run.fault == "off-by-one" else 0
    if run.fault in CUTTING and not run.is_off_by_one() and run.of("fault"):
        return
    if not run.is_off_by_one() and run.fault == "off-by-one":
        over = 0		# limited, and so it never acted
    for number, flow in run.flows.items():
        if not opened(flow) or not closed(flow):
            continue
        for relay in closed(flow)["relays"]:
            for wrong in check_half(flow, relay["source"], opened(flow)["segment_size"], over):
                yield "law", "flow %d, %s: %s" % (number, relay["source"], wrong)


def check_orphans(run):
    """Without a fault, only clients that abort leave bytes orphaned; off-by-one also those held."""
    if not run.is_harmless() and not run.is_off_by_one():
        return
    for number, flow in run.flows.items():
        if not opened(flow) or not closed(flow):
            continue
        end = closed(flow)
        if end["reason"] == "reset" and run.has_aborts(end["server_port"]):
            continue
        halves = {relay["source"]: held_of(flow, relay["source"]) for relay in end["relays"]}
        for relay in end["relays"]:
            # A connection in which an end waits for held bytes is aborted, with what was under way.
            excused = any(halves.values()) or end["reason"] == "reset"
            held = halves[relay["source"]]
            if relay["orphaned"] != held and not (excused and relay["source"] == "server"
                                                  and not held):
                yield "orphans", "flow %d ends by %s with %d bytes of the %s orphaned, not %d" % (
                    number, end["reason"], relay["orphaned"], relay["source"], held)


# Clients -------------------------------------------------------------------------------------


def check_streams(run, client, status, text):
    if "a byte is wrong" in text and run.fault not in ALTERING:
        yield "bytes", text.strip()
    elif "kill" in client and status == 137:
        return
    elif run.is_harmless() and status != 0:
        yield "stream", "status %d: %s" % (status, text.strip())
    elif run.is_off_by_one():
        holding = [number for number, flow in run.flows.items()
                   if opened(flow) and opened(flow)["server_port"] == ECHO and closed(flow)
                   and any(held_of(flow, relay["source"]) for relay in closed(flow)["relays"])]
        if status != 0 and not holding:
            yield "stream", "status %d, though nothing is held: %s" % (status, text.strip())


def check_sweep(run, client, status, text):
    try:
        rows = json.loads(text)["rows"]
    except (ValueError, KeyError):
        if status != 124 or run.is_harmless():
            yield "probe", "status %d, and no rows: %s" % (status, text.strip()[-300:])
        return
    if len(rows) != len(client["sizes"]):
        yield "probe", "%d rows of %d sizes" % (len(rows), len(client["sizes"]))
    if run.is_harmless() and run.fault != "off-by-one":
        wrong = [row for row in rows if row["outcome"] != "ok"]
    else:
        wrong = [row for row in rows if "expected" in row and row["expected"] != row["outcome"]]
    for row in wrong[:3]:
        yield "probe", "%d bytes: %s, not %s (%d of %d replies, %d bytes ACKed)" % (
            row["size"], row["outcome"], row.get("expected", "ok"), row["replies"],
            row["replies_due"], row["bytes_acked"])
    if not wrong and status != 0 and (run.is_harmless() or "--expect" in text):
        yield "probe", "status %d" % status


def check_mail(run, _client, status, _text):
    links = run.case["links"]
    if run.is_harmless() and status != 0 and "--loss" not in links and run.fault != "drop":
        yield "mail", "status %d" % status


CHECKS = {"streams": check_streams, "sweep": check_sweep, "mail": check_mail}


def check_clients(run):
    for number, (client, status, text) in enumerate(run.clients, 1):
        for kind, what in CHECKS[client["kind"]](run, client, status, text):
            yield kind, "client %d: %s" % (number, what)
    if not run.is_harmless():
        return
    seen = collections.Counter(event["server_port"] for event in run.of("flow_opened"))
    made = collections.Counter()
    for client in run.case["clients"]:
        port = ECHO if client.get("protocol", "") == "echo" or client["kind"] == "streams" else SMTP
        made[port] += client.get("connections", len(client.get("sizes", "1")))
    for port, count in made.items():
        if seen[port] != count and not any("kill" in c for c in run.case["clients"]):
            yield "log", "%d connections to port %d were made, and %d seen" % (
                count, port, seen[port])


# The box -------------------------------------------------------------------------------------


def check_counters(run):
    counters = run.status["counters"]
    for name, found in (("flows_opened", len(run.of("flow_opened"))),
                        ("stalls", len(run.of("stall"))), ("events_lost", 0),
                        ("inject_failed", 0), ("queue_errors", 0)):
        if counters[name] != found:
            yield "books", "%s is %d, not %d as in the log" % (name, counters[name], found)
    acted = collections.Counter(event["fault"] for event in run.of("fault"))
    for fault in run.status["policies"][0]["faults"]:
        if fault["acted"] != acted[fault["name"]]:
            yield "books", "%s acted %d times, in the log %d times" % (
                fault["name"], fault["acted"], acted[fault["name"]])
    orphaned = [sum(flow[half]["orphaned"] for flow in answer["flows"] for half in ("c2s", "s2c")
                    if flow[half]) for answer in run.asked]
    if not min(orphaned) <= run.then["counters"]["orphaned_bytes"] <= max(orphaned):
        yield "books", "orphaned_bytes is %d, but that of the flows %s" % (
            run.then["counters"]["orphaned_bytes"], orphaned)
    for name in ("flows_active", "flows_known", "pages_used", "orphaned_bytes"):
        if counters[name] != 0:
            yield "left", "%s is %d in the end, not 0" % (name, counters[name])


def check_stalls(run):
    if run.is_harmless() and run.of("stall"):
        yield "stall", "without a fault: %s" % run.of("stall")[0]


def check_words(run):
    for line in run.stderr.splitlines():
        if not ALLOWED.search(line):
            yield "words", "the lab said: " + line


def problems(case, folder, status, stderr):
    """Kinds and texts of what is wrong."""
    try:
        run = Run(case, folder, stderr)
    except (OSError, ValueError, KeyError) as error:
        return [("not run", "status %s, %s: %s" % (status, error, stderr.strip()[-600:]))]
    found = [] if status == 0 else [("not run", "the lab ended with status %d: %s" % (
        status, stderr.strip()[-600:]))]
    # What a person should read first comes first; a reduced case must show that, too.
    for check in (check_clients, check_stalls, check_law, check_orphans, check_log, check_counters,
                  check_words):
        found += check(run)
    return found
