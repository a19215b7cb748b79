# SPDX-License-Identifier: GPL-2.0-or-later
"""What reseg-replay says of a capture, for scripts that compare this with what they know."""

import json
import subprocess
import tempfile


def replay(capture, *options, way="file"):
    with tempfile.NamedTemporaryFile() as file:
        file.write(capture)
        file.flush()
        name = file.name if way == "file" else "-"
        return subprocess.run(["reseg-replay", *options, name], capture_output=True,
                              input=None if way == "file" else capture, timeout=60)


def outcomes(capture, *options, way="file"):
    done = replay(capture, "--format", "json", *options, way=way)
    if done.returncode == 2:
        return done.stderr.decode()
    return [row["outcome"] for row in json.loads(done.stdout)["rows"]], done.returncode


def all_sent(capture, *options):
    """The outcome of each connection, and whether its ends got to send all their packets; and the
    exit status."""
    done = replay(capture, "--format", "json", *options)
    return [(row["outcome"], all(row[half]["sent"] == row[half]["packets"]
                                 for half in ("c2s", "s2c")))
            for row in json.loads(done.stdout)["rows"]], done.returncode


def found(capture, *options, way="file"):
    """Is the second of its connections the only one that stalls?"""
    got = outcomes(capture, *options, way=way)
    return got == (["ok", "stalled"], 1) or print("#", got)


def run_all(*tests):
    """Runs functions that return whether all is well, and print why if it is not. Prints TAP.
    Returns an exit status."""
    print("TAP version 13\n1..%d" % len(tests))
    failed = 0
    for test in tests:
        good = test()
        failed += not good
        print("%s - %s" % ("ok" if good else "not ok", test.__name__), flush=True)
    return failed > 0
