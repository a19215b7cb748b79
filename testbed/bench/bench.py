# SPDX-License-Identifier: GPL-2.0-or-later

"""
Measures every contender side by side, in the lab's namespaces, and the engine alone;
prints tables of ratios, and which goals are met. Called by run.

Machines are noisy, and so only what was measured in one run is compared: the contenders
take turns, round after round, and a figure is the median over the rounds. Ratios are to
accept-gso, the least that a daemon on an NFQUEUE can do, and to what the goals name.
"""

import argparse
import collections
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time

from figures import chart, judge, median, ratio, result, show_goals, show_result, spread

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = "accept-gso"
IDLE_FLOWS = 1000000
SWEEP_TIMEOUT = 3

# Makes the server's packets as small as the box makes them, for contenders without the box.
SMALL = ["--sink-options", "--mss 512"]


def accept(option):
    return ["--box", "exec bench-accept %s --ready-fd {ready}" % option]


def proxy(name):
    return [*SMALL, "--box", "exec %s {ready}" % shlex.quote(os.path.join(HERE, "box-" + name))]


def box(arrival, inject, workers=1):
    return ["--fault", "none", "--arrival", arrival, "--inject", inject, "--workers", str(workers)]


# Options of reseg-lab, and the host to connect to.
CONTENDERS = {
    "forward": (["--no-box"], "server"),
    "forward-512": (["--no-box", *SMALL], "server"),
    "accept-gso": (accept("--gso"), "server"),
    "accept": (accept(""), "server"),
    "haproxy": (proxy("haproxy"), "box"),
    "socat": (proxy("socat"), "box"),
    "burst tun": (box("burst", "tun"), "server"),
    "burst raw": (box("burst", "raw"), "server"),
    "segment tun": (box("segment", "tun"), "server"),
    "segment raw": (box("segment", "raw"), "server"),
    "wire tun": (box("wire", "tun"), "server"),
    "1 worker": (box("segment", "tun"), "server"),
    "2 workers": (box("segment", "tun", 2), "server"),
}
STREAMS = [c for c in CONTENDERS if "worker" not in c]

# For works that are not about bytes: packets are rarely joined, so only the injector matters.
FEW = ["forward", "accept-gso", "haproxy", "socat", "segment tun", "segment raw"]

# Many client addresses, so that the kernel divides the connections among the workers.
ADDRESSES = "ip route add local 198.51.100.128/25 dev lo && "

# `full` and `quick` are arguments of bench-client and a number of rounds; `behind` are arguments
# after the host, and `before` is put before the command on the client.
LabWork = collections.namedtuple("LabWork",
                                 "title unit options full quick contenders one_cpu before behind",
                                 defaults=(False, "", ()))

LAB_WORKS = {
    "bulk": LabWork("one stream, offloads on", "Mbit/s", ["--offloads"], (["bulk", 1000], 5),
                    (["bulk", 250], 3), STREAMS),
    "wire": LabWork("one stream, offloads of the server's link off", "Mbit/s",
                    ["--offloads=client"], (["bulk", 1000], 5), (["bulk", 250], 3), STREAMS),
    "many": LabWork("16 streams of as many clients", "Mbit/s", ["--offloads"], (["many", 1000], 5),
                    (["many", 250], 3), ["accept-gso", "1 worker", "2 workers"], before=ADDRESSES,
                    behind=("198.51.100.130", )),
    # Rounds differ in the CPUs that the kernel chooses, so there are many short ones.
    "latency": LabWork("100 bytes there and back", "microseconds", ["--offloads"],
                       (["latency", 2000], 15), (["latency", 500], 5), FEW),
    # The same without that choice: shows the length of the path alone.
    "latency-1cpu": LabWork("100 bytes there and back, all on one CPU", "microseconds",
                            ["--offloads"], (["latency", 5000], 5), (["latency", 500], 3), FEW,
                            one_cpu=True),
    "short": LabWork("SMTP dialogues, one at a time", "dialogues a second", ["--offloads"],
                     (["short", 1000], 7), (["short", 200], 3), FEW),
}

GOALS = [
    ratio("bulk", "burst tun", ">=", 0.85, "accept-gso"),
    ratio("bulk", "burst tun", ">=", 1.2, "haproxy"),
    ratio("bulk", "burst tun", ">=", 2, "socat"),
    ratio("bulk", "segment tun", ">=", 0.4, "accept-gso"),
    ratio("bulk", "segment tun", ">=", 1, "socat"),
    ratio("bulk", "segment tun", ">=", 3, "accept"),
    ratio("wire", "burst tun", ">=", 0.7, "forward-512"),
    ratio("wire", "segment tun", ">=", 0.7, "forward-512"),
    ratio("many", "2 workers", ">=", 1, "1 worker"),
    ratio("latency", "segment tun", "<=", 1.25, "accept-gso"),
    ratio("latency", "segment tun", "<=", 1, "haproxy"),
    ratio("short", "segment tun", ">=", 0.8, "accept-gso"),
    ratio("short", "segment tun", ">=", 1.5, "haproxy"),
    spread("instructions", "<=", 0),
    ratio("idle", "one beside a million", "<=", 1.5, "one flow"),
    median("memory", "a million flows", "<=", 400),
    median("sweep", "1-4096", "<=", SWEEP_TIMEOUT + 3),
]


def progress(words):
    if sys.stderr.isatty():
        print("\r\033[K" + words, end="", file=sys.stderr, flush=True)


def run(command, statuses=(0,), one_cpu=False):
    """What a command prints on standard output and on standard error."""
    cpus = {min(os.sched_getaffinity(0))} if one_cpu else os.sched_getaffinity(0)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    if done.returncode not in statuses:
        sys.exit("bench: %s: %s" %
                 (shlex.join(command), done.stderr.strip() or done.stdout.strip()))
    return done.stdout, done.stderr


# Works ---------------------------------------------------------------------------------

def lab_work(name, quick):
    work = LAB_WORKS[name]
    client, rounds = work.quick if quick else work.full
    figures = {contender: [] for contender in work.contenders}
    for i in range(rounds):
        for contender in work.contenders:
            progress("%s: round %d of %d: %s" % (name, i + 1, rounds, contender))
            box_options, host = CONTENDERS[contender]
            command = shlex.join(["bench-client", *map(str, client), host, *work.behind])
            out, _ = run(["reseg-lab", *work.options, *box_options, "--", "sh", "-c",
                          work.before + "exec " + command], one_cpu=work.one_cpu)
            figures[contender].append(float(out))
    bases = dict.fromkeys([BASE] + [goal.base for goal in GOALS if goal.work == name])
    return [result(name, work.title, work.unit, figures, list(bases),
                   less_is_better=work.unit == "microseconds")]


def core_lines(*options):
    out, _ = run(["bench-core", *map(str, options)])
    return [json.loads(line) for line in out.splitlines()]


# None of these functions calls another of them: that would stop the count.
CALLGRIND = [
    "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
    "--toggle-collect=engine_input", "--toggle-collect=engine_next",
    "--toggle-collect=engine_expire"
]


def instructions(work):
    out, err = run([*CALLGRIND, "bench-core", "--work", work, "--packets", "1000"])
    return int(re.search(r"Collected : (\d+)", err)[1]) / json.loads(out)["packets"]


def core_work(name, quick):
    ns, counts = {}, {}
    for i in range(3 if quick else 5):
        progress("%s: round %d" % (name, i + 1))
        for line in core_lines("--packets", 20000 if quick else 100000):
            ns.setdefault(line["work"], []).append(line["ns_per_packet"])
    for i in range(2):
        for work in ns:
            progress("instructions: round %d of 2: %s" % (i + 1, work))
            counts.setdefault(work, []).append(instructions(work))
    return [
        result(name, "the engine alone", "ns a packet", ns, less_is_better=True),
        result("instructions", "the engine alone, counted by valgrind", "instructions a packet",
               counts, less_is_better=True)
    ]


def idle_work(name, quick):
    ns = {"one flow": [], "one beside a million": [], "a million in turn": []}
    memory = []
    rounds = 2 if quick else 5
    for i in range(rounds):
        progress("%s: round %d of %d" % (name, i + 1, rounds))
        ns["one flow"].append(core_lines("--work", "dialogue")[0]["ns_per_packet"])
        resident, beside, turn = core_lines("--work", "dialogue", "--idle", IDLE_FLOWS)
        ns["one beside a million"].append(beside["ns_per_packet"])
        ns["a million in turn"].append(turn["ns_per_packet"])
        memory.append(resident["resident_bytes"] / (1 << 20))
    return [result(name, "dialogues, the engine alone", "ns a packet", ns, ["one flow"],
                   less_is_better=True),
            result("memory", "resident, the engine alone", "MiB", {"a million flows": memory},
                   less_is_better=True)]


def sweep_work(name, quick):
    rounds = 1 if quick else 3
    seconds = []
    for i in range(rounds):
        progress("%s: round %d of %d" % (name, i + 1, rounds))
        start = time.monotonic()
        # 1: the fault was found.
        out, _ = run([
            "reseg-lab", "--", "reseg-probe", "sweep", "--sizes", "1-4096", "--protocol", "echo",
            "--timeout",
            str(SWEEP_TIMEOUT), "--format", "json", "server"
        ], statuses=(0, 1))
        seconds.append(time.monotonic() - start)
        rows = json.loads(out)["rows"]
        if len(rows) != 4096 or {row["outcome"] for row in rows} != {"ok", "stalled"}:
            sys.exit("bench: the sweep found outcomes other than ok and stalled")
    return [result(name, "all sizes with the default fault, the lab's start included", "seconds",
                   {"1-4096": seconds}, less_is_better=True)]


WORKS = {**{name: lab_work for name in LAB_WORKS}, "core": core_work, "idle": idle_work,
         "sweep": sweep_work}


def main():
    parser = argparse.ArgumentParser(prog="testbed/bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="fewer and shorter rounds, to see that it runs")
    parser.add_argument("--json", metavar="FILE", help="write all figures and goals to FILE, too")
    parser.add_argument("--svg", metavar="FILE", help="draw the figures into FILE")
    parser.add_argument("--work", choices=WORKS, action="append",
                        help="measure only this; may be repeated")
    options = parser.parse_args()
    results = []
    for name in options.work or WORKS:
        done = WORKS[name](name, options.quick)
        progress("")
        for res in done:
            show_result(res)
        sys.stdout.flush()
        results += done
    goals = judge(GOALS, results)
    if goals:
        show_goals(goals)
    machine = "%s %s, %s, %d CPUs" % (platform.system(), platform.release().split("-")[0],
                                      platform.machine(), len(os.sched_getaffinity(0)))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "works": results, "goals": goals}, file, indent=1)
            file.write("\n")
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(chart(results, machine))


main()
