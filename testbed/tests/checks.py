# SPDX-License-Identifier: GPL-2.0-or-later
"""For scripts that consist of checks: runs them, and prints TAP."""

import pathlib
import tempfile
import traceback

folder = None			# of a run, for its files
all_checks = []


def check(function):
    """Makes a function a check, which fails by an exception."""
    all_checks.append(function)
    return function


def expect(left, right, what=""):
    assert left == right, "%s: %r, not %r" % (what, left, right)


def run_all(prefix):
    """Runs the checks in the order in which they were made. Returns an exit status."""
    global folder
    print("TAP version 13\n1..%d" % len(all_checks), flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        folder = pathlib.Path(name)
        for number, function in enumerate(all_checks, 1):
            problem = ""
            try:
                function()
            except Exception:
                problem = traceback.format_exc()
            result = "not ok" if problem else "ok"
            print("%s %d - %s" % (result, number, function.__name__), flush=True)
            for line in problem[-3000:].splitlines():
                print("# " + line, flush=True)
            failed += bool(problem)
    return 1 if failed else 0
