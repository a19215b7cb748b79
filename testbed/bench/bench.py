# SPDX-License-Identifier: GPL-2.0-or-later

"""
Measures every contender side by side, in the lab's namespaces, and prints a table of
ratios. Called by run.

Machines are noisy, and so only what was measured in one run is compared: the contenders
take turns, round after round, and a figure is the median over the rounds. Ratios are to
accept-gso, the least that a daemon behind NFQUEUE can do. More is better everywhere but
for latency.
"""

import argparse
import json
import statistics
import subprocess
import sys

ACCEPT = "exec bench-accept {} --ready-fd {{ready}}"

# Name, options of reseg-lab.
CONTENDERS = {
    "forward": ["--no-box"],
    "accept-gso": ["--box", ACCEPT.format("--gso")],
    "accept": ["--box", ACCEPT.format("")],
    "burst tun": ["--fault", "none", "--arrival", "burst", "--inject", "tun"],
    "burst raw": ["--fault", "none", "--arrival", "burst", "--inject", "raw"],
    "segment tun": ["--fault", "none", "--arrival", "segment", "--inject", "tun"],
    "segment raw": ["--fault", "none", "--arrival", "segment", "--inject", "raw"],
    "wire tun": ["--fault", "none", "--arrival", "wire", "--inject", "tun"],
}
BASE = "accept-gso"

# Title, unit, options of reseg-lab, arguments of bench-client, and those for --quick.
WORKS = {
    "bulk": ("one stream, offloads on", "Mbit/s", ["--offloads"], ["bulk", 2000], ["bulk", 300]),
    "wire": ("one stream, offloads off", "Mbit/s", [], ["bulk", 500], ["bulk", 100]),
    "latency": ("100 bytes there and back", "us", ["--offloads"], ["latency", 5000], ["latency", 500]),
    "short": ("SMTP dialogues, one at a time", "/s", ["--offloads"], ["short", 1000], ["short", 200]),
}


def measure(options, client):
    command = ["reseg-lab", *options, "--", "bench-client", *map(str, client), "server"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)
    if done.returncode != 0:
        sys.exit("bench: %s: %s" % (" ".join(command), done.stderr.strip() or done.stdout.strip()))
    return float(done.stdout)


def progress(text):
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def run_work(name, rounds, quick):
    title, unit, options, full_client, quick_client = WORKS[name]
    figures = {contender: [] for contender in CONTENDERS}
    for i in range(rounds):
        for contender in CONTENDERS:
            progress("%s: round %d of %d: %s" % (title, i + 1, rounds, contender))
            figures[contender].append(measure(options + CONTENDERS[contender],
                                              quick_client if quick else full_client))
    progress("")
    return {
        "work": name,
        "title": title,
        "unit": unit,
        "rows": [{
            "contender": contender,
            "median": statistics.median(values),
            "ratio": statistics.median(values) / statistics.median(figures[BASE]),
            "figures": values,
        } for contender, values in figures.items()],
    }


def print_table(result):
    print("\n%s (%s)\n" % (result["title"], result["unit"]))
    print("  %-12s %12s %8s %12s %12s" % ("", "median", "ratio", "least", "most"))
    for row in result["rows"]:
        print("  %-12s %12.1f %8.2f %12.1f %12.1f" % (row["contender"], row["median"],
              row["ratio"], min(row["figures"]), max(row["figures"])))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(prog="testbed/bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE, too")
    parser.add_argument("--work", choices=WORKS, action="append", help="only this (more than once: these)")
    options = parser.parse_args()
    results = []
    for name in options.work or WORKS:
        results.append(run_work(name, 3 if options.quick else 5, options.quick))
        print_table(results[-1])
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"base": BASE, "works": results}, file, indent=1)
            file.write("\n")


main()
