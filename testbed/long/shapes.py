# SPDX-License-Identifier: GPL-2.0-or-later
"""shapes.py: the labs of testbed/long/seeds: how one is drawn from a seed, what makes it smaller,
and the command that runs it"""

import copy
import math
import random
import re
import shlex
import subprocess

OUT = "out"			# where the guest leaves its files; the same name in each run
CONTROL = "/tmp/ctl"
EHLO_BYTES = 20			# length of reseg-probe's EHLO
# Seconds: the box forgets an idle connection after two hours, and gives up on a piece sooner.
AFTERWARDS = 9000
PATIENCE = 120			# of reseg-probe, in seconds
AT_MOST = 7000			# seconds of the guest that a client may take
PIECES = 800			# that the box may send for the streams of one client
LARGEST = 20000			# drawn for a parameter, though the range may go further
FAULT_ROW = re.compile(r"\| `([\w-]+)` \| ((?:cut|piece|packet|connection)[, a-z]*|-) \|")
PARAMETER_ROW = re.compile(r"\| `([\w-]+)` \| `(\w+)` \| .* \| (\d+) to (\d+) \(\d+\) \|")


class Faults:
    """The faults that resegd knows, with their parameters."""

    def __init__(self):
        text = subprocess.run(["resegd", "--list-faults=markdown"], stdout=subprocess.PIPE,
                              text=True, check=True).stdout
        self.parameters = {match[1]: {"every": (1, 20)} for match in FAULT_ROW.finditer(text)}
        for name, key, least, most in PARAMETER_ROW.findall(text):
            self.parameters[name].pop("every", None)
            self.parameters[name][key] = int(least), int(most)
        self.parameters["none"] = {}

    def draw(self, r, direction):
        """A value for resegd --fault."""
        name = r.choice(["none", "none", "off-by-one"] if r.random() < 0.6 else
                        sorted(self.parameters))
        keys = []
        if name == "off-by-one" and r.random() < 0.6:
            return name		# as in 2008, so that reseg-probe knows what to expect
        for key, (least, most) in self.parameters[name].items():
            if r.random() < 0.5:
                most = min(most, LARGEST)
                value = int(math.exp(r.uniform(math.log(max(least, 1)), math.log(most))) + 0.5)
                keys.append((key, max(least, min(most, value))))
        if name == "hello-256-511":
            keys = sorted(zip(("least", "most"), sorted(value for _, value in keys)))
            keys = keys if len(keys) == 2 else []
        if name != "none" and r.random() < 0.3:
            way = direction if direction != "both" else r.choice(["c2s", "s2c"])
            keys.append(r.choice([("percent", r.choice([1, 10, 50, 90])), ("direction", way),
                                  ("flows", r.choice(["1", "2-", "1-3"])),
                                  ("arrivals", r.choice(["1", "2-", "3-9"])),
                                  ("port", r.choice(["7", "25"])),
                                  ("seconds", r.choice(["0", "0-9", "5-"]))]))
        return name + (":" + ",".join("%s=%s" % key for key in keys) if keys else "")


def draw_segment_size(r, mtu, ip):
    most = mtu - (52 if ip == 4 else 72)
    return min(most, r.choice([512, 512, 100, 536, 1000, r.randint(2, 64), r.randint(64, 1448)]))


def each_way(r, value):
    """A value for both directions of a link, or for one of them."""
    return r.choice(["%d", "%d", "%d/0", "0/%d"]) % value


def draw_links(r):
    links = {}
    if r.random() < 0.6:
        links["--loss"] = each_way(r, r.randint(1, 5))
        if r.random() < 0.3:
            links["--burst"] = r.choice([1, 3, 10])
    if r.random() < 0.5:
        delay = r.choice([1, 3, 10, 50])
        links["--delay"] = delay
        if r.random() < 0.6:
            links["--reorder"] = each_way(r, r.choice([5, 20, 50]))
        if r.random() < 0.3:
            links["--jitter"] = each_way(r, r.randint(1, delay))
    if r.random() < 0.3:
        links["--duplicate"] = each_way(r, r.choice([1, 5, 20]))
    if r.random() < 0.3:
        links["--mtu"] = r.choice([1280, 9000])
    return links


def draw_streams(r, size):
    connections = r.choice([1, 2, 5, 12, 30])
    client = {"kind": "streams", "connections": connections, "parallel": r.randint(1, connections),
              "bytes": r.choice([1, size, size + 1, 3 * size + 1, 5000, 20000, 60000, 200000])}
    client["bytes"] = max(1, min(client["bytes"], PIECES * size // connections))
    if r.random() < 0.2:
        client["abort_every"] = r.randint(1, 5)
    elif r.random() < 0.15:
        client["kill"] = r.choice([0.002, 0.05, 0.3, 1, 5])
    return client


def draw_sweep(r, size):
    """Sizes near multiples of S."""
    protocol = r.choice(["smtp", "smtp", "echo"])
    least = 35 if protocol == "smtp" else 1
    sizes = {max(least, min(16000, k * size + d))
             for k in r.sample(range(1, 9), r.randint(1, 4)) for d in r.sample(range(-2, 4), 4)}
    if r.random() < 0.3:
        sizes.add(r.randint(1000, 8000))
    return {"kind": "sweep", "protocol": protocol, "sizes": sorted(sizes)}


def draw(seed, faults):
    r = random.Random(seed)
    links = draw_links(r)
    case = {"ip": r.choice([4, 6]), "links": links,
            "direction": r.choice(["c2s", "c2s", "c2s", "s2c", "both"])}
    case["size"] = draw_segment_size(r, links.get("--mtu", 1500), case["ip"])
    if r.random() < 0.2:
        case["arrival"] = r.choice(["wire", "burst"])
    if r.random() < 0.2:
        case["inject"] = "raw"
    case["fault"] = faults.draw(r, case["direction"])
    kinds = r.choice([["streams"], ["sweep"], ["streams", "sweep"], ["sweep", "streams"],
                      ["streams", "streams"], ["mail", "streams"], ["mail", "sweep"]])
    case["clients"] = [
        {"kind": kind, "lines": r.choice([1, 30, 400])} if kind == "mail" else
        (draw_streams if kind == "streams" else draw_sweep)(r, case["size"]) for kind in kinds]
    if len(kinds) > 1 and r.random() < 0.4:
        case["clients"][1]["on"] = "client2"
    return case


# What can be smaller ------------------------------------------------------------------------


def smaller_clients(client):
    if client["kind"] == "streams":
        for key in ("connections", "bytes", "parallel"):
            for value in sorted({1, client[key] // 10, client[key] // 2, client[key] - 1}):
                if 1 <= value < client[key]:
                    yield dict(client, **{key: value})
    if client["kind"] == "sweep" and len(client["sizes"]) > 1:
        half = len(client["sizes"]) // 2
        for sizes in ([size] for size in client["sizes"]):
            yield dict(client, sizes=sizes)
        yield dict(client, sizes=client["sizes"][:half])
        yield dict(client, sizes=client["sizes"][half:])
    if client["kind"] == "mail" and client["lines"] > 1:
        yield dict(client, lines=1)
    for key in ("on", "abort_every", "kill"):
        if key in client:
            yield {name: value for name, value in client.items() if name != key}


NEEDED = {"--burst": "--loss", "--jitter": "--delay", "--reorder": "--delay"}


def smaller(case):
    """Cases with one thing less; what helps most is first."""
    clients = case["clients"]
    for i in range(len(clients) if len(clients) > 1 else 0):
        yield dict(case, clients=clients[:i] + clients[i + 1:])
    for key in case["links"]:
        yield dict(case, links={name: value for name, value in case["links"].items()
                                if name != key and NEEDED.get(name) != key})
    for i, client in enumerate(clients):
        for other in smaller_clients(client):
            yield dict(case, clients=clients[:i] + [other] + clients[i + 1:])
    for key in ("arrival", "inject"):
        if key in case:
            yield {name: value for name, value in case.items() if name != key}
    fault, _, keys = case["fault"].partition(":")
    if keys:
        yield dict(case, fault=fault)
    for key, value in (("fault", "none"), ("direction", "c2s"), ("ip", 4), ("size", 512)):
        if case[key] != value:
            yield copy.deepcopy(dict(case, **{key: value}))


# The command --------------------------------------------------------------------------------


def obeys_law(case):
    """Does docs/wire.md say which of its envelopes stall?"""
    over = EHLO_BYTES - 1		# an S that divides this makes EHLO itself stall
    return (case["fault"] == "off-by-one" and case["direction"] == "c2s"
            and over % case["size"] != 0)


def client_words(case, client):
    words = ["timeout", str(AT_MOST)]
    if "kill" in client:
        words = ["timeout", "-s", "KILL", str(client["kill"])]
    if client["kind"] == "streams":
        words += ["stream-client", "--connections", str(client["connections"]), "--parallel",
                  str(client["parallel"])]
        if "abort_every" in client:
            words += ["--abort-every", str(client["abort_every"])]
        words += ["server", "7", str(client["bytes"])]
    elif client["kind"] == "sweep":
        words += ["reseg-probe", "sweep", "--protocol", client["protocol"], "--sizes",
                  ",".join(map(str, client["sizes"])), "--timeout", str(PATIENCE), "--format",
                  "json"]
        if obeys_law(case):
            words += ["--expect", "finch2008", "--segment-size", str(case["size"])]
        words += ["server"]
    else:
        words += ["mail-client", "server", "25", "/tmp/mail"]
    if "on" in client:
        words = ["reseg-lab", "enter", "--on", client["on"], "--"] + words
    return words


def script(case):
    """What the lab runs: the clients, side by side; then everything has time to end."""
    lines = ["cd %s" % OUT]
    for number, client in enumerate(case["clients"], 1):
        if client["kind"] == "mail":
            lines.append("seq %d | sed 's/$/\\r/' >/tmp/mail" % client["lines"])
        lines.append("(%s; echo $? >%d.status) >%d.txt 2>&1 &" % (
            shlex.join(client_words(case, client)), number, number))
    ask = "resegctl --control %s --format json " % CONTROL
    return "\n".join(lines + [
        "wait", ask + "flows >flows", ask + "status >then.json", ask + "flows >>flows",
        "sleep %d" % AFTERWARDS, ask + "status >status.json"])


def lab_words(case):
    words = ["reseg-lab", "-%d" % case["ip"], "--segment-size", str(case["size"]), "--fault",
             case["fault"], "--direction", case["direction"]]
    for key in ("arrival", "inject"):
        if key in case:
            words += ["--" + key, case[key]]
    for name, value in case["links"].items():
        words += [name, str(value)]
    if any("on" in client for client in case["clients"]):
        words += ["--clients", "2"]
    return words + ["--control", CONTROL, "--capture", OUT + "/capture", "--", "sh", "-c",
                    script(case)]


def command(seed, case):
    """To be typed in the source folder. OUT must be new, because logs are appended to."""
    return "mkdir %s && testbed/vm --virtual-time --seed %d --keep %s -- %s" % (
        OUT, seed, OUT, shlex.join(lab_words(case)))
