# SPDX-License-Identifier: GPL-2.0-or-later

"""Prints the rows of reseg-mta: table, JSON, TAP, JUnit, Markdown. For the page see page.py."""

import collections
import json
import re
import sys
import xml.etree.ElementTree as xml

from description import Problem

KEYS = ["sender", "workaround", "receiver", "fault", "size"]
MARKS = {
    "delivered": "ok", "deferred": "DEFER", "stalled": "STALL", "bounced": "BOUNCE",
    "altered": "ALTER", "duplicated": "TWICE", "lost": "LOST", "not-run": "-"
}
COLOURS = {**dict.fromkeys(MARKS, "1;31"), "delivered": "32", "not-run": "2"}


# Verdicts ------------------------------------------------------------------------------

class Expected:
    """The outcomes of an earlier run."""

    def __init__(self, path, settings):
        self.path = path
        try:
            with open(path, encoding="utf-8") as file:
                run = json.load(file)
            rows = run["rows"]
            # Runs from before --message-size existed left the message as it comes.
            run = {"message_size": 0, **run}
            other = ["%s is %s" % (key, run[key]) for key in settings if run[key] != settings[key]]
            self.outcomes = {tuple(row[key] for key in KEYS): row["outcome"] for row in rows}
        except OSError as error:
            raise Problem("%s: %s" % (path, error.strerror)) from error
        except (ValueError, KeyError, TypeError) as error:
            raise Problem("%s: it is not what --format json writes" % path) from error
        if other:
            raise Problem("%s is from a run with other settings: there %s" % (path,
                                                                              ", ".join(other)))

    def outcome(self, row):
        return self.outcomes.get(tuple(row[key] for key in KEYS))


def judge(row, expected, named):
    """Sets `good`, and `problem`: what is wrong with a row, or nothing."""
    problem = ""
    wanted = expected.outcome(row) if expected else "delivered"
    if row["outcome"] == "not-run":
        if wanted != "not-run" if expected else named:
            problem = "not run: " + row["detail"]
    elif row["must_stall"] is True and row["outcome"] == "delivered":
        problem = "delivered, though its capture shows that the box must have held it"
    elif row["must_stall"] is False and row["outcome"] in ("deferred",
                                                           "stalled") and row["outcome"] != wanted:
        problem = "%s, though its capture shows that the box held nothing: %s" % (row["outcome"],
                                                                                  row["detail"])
    elif row["as_described"] is False:
        problem = "the work-around does not show on the wire: " + row["style"]
    elif row["outcome"] != wanted:
        problem = "%s%s" % (row["outcome"], ", expected: %s" %
                            (wanted or "nothing") if expected else "")
        problem += ": " + row["detail"] if row["detail"] else ""
    row["problem"] = problem
    row["good"] = not problem
    if expected:
        row["expected"] = wanted


def title(row):
    return "%s, %s, to %s, %s, %d" % tuple(row[key] for key in KEYS)


def groups(rows):
    """Groups rows with the same sender, work-around, receiver and fault: they share a line."""
    lines = collections.OrderedDict()
    for row in rows:
        lines.setdefault(tuple(row[key] for key in KEYS[:-1]), {})[row["size"]] = row
    return lines


def columns(lines):
    """The parts of the lines' names that differ between lines; the first two are always shown."""
    return [0, 1] + [i for i in (2, 3) if len({key[i] for key in lines}) > 1]


def style(line):
    styles = {row["style"] for row in line.values() if row["style"]}
    return ", ".join(sorted(styles))


def totals(rows):
    counts = collections.Counter(row["outcome"] for row in rows)
    return "%d messages: %s" % (len(rows), ", ".join("%d %s" % (counts[outcome], outcome)
                                                     for outcome in MARKS
                                                     if counts[outcome] or outcome == "lost"))


def verdict(rows, expected):
    bad = sum(not row["good"] for row in rows)
    if not bad:
        return "As expected (%s)." % expected.path
    return "Not as expected (%s): %d of %d messages." % (expected.path, bad, len(rows))


def as_grid(rows):
    """Head and lines of a table that has a column for each size."""
    lines = groups(rows)
    shown = columns(lines)
    sizes = sorted({row["size"] for row in rows})
    head = [KEYS[i] for i in shown] + ["on the wire"] + [str(size) for size in sizes]
    grid = [([key[i] for i in shown] + [style(line)], [line.get(size) for size in sizes])
            for key, line in lines.items()]
    return head, grid


# Formats -------------------------------------------------------------------------------

def table(rows, about, expected):
    head, grid = as_grid(rows)
    names = len(grid[0][0])
    texts = [head] + [
        names_ + [MARKS[row["outcome"]] if row else "" for row in line] for names_, line in grid
    ]
    widths = [max(len(text[i]) for text in texts) for i in range(len(head))]
    colour = sys.stdout.isatty()
    out = []
    for i, text in enumerate(texts):
        cells = [cell.ljust(width) if j < names else cell.rjust(width)
                 for j, (cell, width) in enumerate(zip(text, widths))]
        if colour and i > 0:
            for j, row in enumerate(grid[i - 1][1]):
                if row:
                    cells[names +
                          j] = "\033[%sm%s\033[0m" % (COLOURS[row["outcome"]], cells[names + j])
        out.append("  ".join(cells).rstrip())
    out.append("")
    waited = waits(rows, about)
    out += waited + [""] if waited else []
    for row in rows:
        if "timeline" in row:
            out.append(title(row) + ":")
            out += ["  %-12s %s" % (duration(time_s), text) for time_s, text in told(row)] + [""]
    out += reasons(rows)
    out.append(totals(rows) + ".")
    if expected:
        out.append(verdict(rows, expected))
    return "\n".join(out) + "\n"


def duration(time_s):
    """As people say it: 5 min, 1 d 3 h."""
    rest, parts = round(time_s), []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if rest >= size and len(parts) < 2:
            parts.append("%d %s" % (rest // size, name))
        rest %= size
    return " ".join(parts) or "0 s"


def waits(rows, about):
    """How long each sender waited for a reply that did not come, if that was its own decision."""
    longest = collections.OrderedDict()
    if about["timeout_s"] != "real":
        return []
    for row in rows:
        if row["outcome"] not in ("delivered", "not-run"):
            longest[row["sender"]] = max(row["waited_s"], longest.get(row["sender"], 0))
    return ["%s waited %s for a reply." % (name, duration(time_s))
            for name, time_s in longest.items()]


def told(row):
    """
    The timeline of a row, as pairs of time and text. Tries that had the same reply share a pair.
    """
    out, run = [], []

    def end_run():
        if len(run) > 2:
            out.append((run[0]["time_s"], "tried %d times, until %s: %s" % (
                len(run), duration(run[-1]["time_s"]), run[0]["detail"])))
        else:
            out.extend((one["time_s"], "tried: " + one["detail"]) for one in run)
        run.clear()

    for one in row["timeline"]:
        if one["event"] != "tried" or (run and run[0]["detail"] != one["detail"]):
            end_run()
        if one["event"] == "tried":
            run.append(one)
        else:
            out.append((one["time_s"], "its author is told: " + one["detail"]))
    end_run()
    return out


def reasons(rows):
    """
    What is wrong: a line for each reason, in the words of the first row that had it, and which
    others had it.
    """
    found = collections.OrderedDict()
    for row in rows:
        why = row["problem"] or (row["detail"] if row["outcome"] == "not-run" else "")
        # Reasons that differ only in numbers are the same.
        alike = re.sub(r"\d+", "", why)
        if why:
            lines = found.setdefault((row["sender"], alike), (why, collections.OrderedDict()))[1]
            lines.setdefault(row["workaround"], []).append(str(row["size"]))
    out = []
    for (sender, _), (why, lines) in found.items():
        out.append("%s: %s" % (sender, why))
        out += ["    %s: %s" % (workaround, " ".join(sizes)) for workaround, sizes in lines.items()]
    return out + [""] if out else []


def as_json(rows, about, expected):
    return json.dumps({**about, "rows": rows}, indent=1) + "\n"


def tap(rows, about, expected):
    out = ["1..%d" % len(rows)]
    for i, row in enumerate(rows):
        line = "%s %d - %s" % ("ok" if row["good"] else "not ok", i + 1, title(row))
        if row["good"] and row["outcome"] == "not-run":
            line += " # SKIP " + row["detail"]
        out.append(line)
        if row["problem"]:
            out.append("# " + row["problem"])
    return "\n".join(out) + "\n"


def printable(text):
    """XML has no control characters."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "?", text)


def junit(rows, about, expected):
    counts = {
        "tests": str(len(rows)), "failures": str(sum(not row["good"] for row in rows)),
        "errors": "0", "time": "%.3f" % sum(row["time_s"] for row in rows)
    }
    root = xml.Element("testsuites", name="reseg-mta", **counts)
    suite = xml.SubElement(
        root, "testsuite", name="reseg-mta", **counts, timestamp=about["started"],
        skipped=str(sum(row["good"] and row["outcome"] == "not-run" for row in rows)))
    properties = xml.SubElement(suite, "properties")
    for name, value in about.items():
        for key, text in value.items() if isinstance(value, dict) else [("", value)]:
            xml.SubElement(properties, "property", name=name + ("." + key if key else ""),
                           value=str(text))
    for row in rows:
        case = xml.SubElement(suite, "testcase",
                              classname="%s.%s" % (row["sender"], row["workaround"]),
                              name=title(row), time="%.3f" % row["time_s"])
        if row["problem"]:
            xml.SubElement(case, "failure", type=row["outcome"], message=printable(row["problem"]))
        elif row["outcome"] == "not-run":
            xml.SubElement(case, "skipped", message=printable(row["detail"]))
        log = [" | ".join(connection) for connection in row["wire"]]
        log += ["%(address)s: %(outcome)s: %(detail)s" % one for one in row["recipients"]]
        if row["folder"] and about["kept"]:
            log.append("logs and captures: %s/%s" % (about["kept"], row["folder"]))
        if log:
            xml.SubElement(case, "system-out").text = printable("\n".join(log) + "\n")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root,
                                                                     encoding="unicode") + "\n"


def markdown(rows, about, expected):
    head, grid = as_grid(rows)
    names = len(grid[0][0])
    out = ["| %s |" % " | ".join(head), "|%s" % ("---|" * names + "--:|" * (len(head) - names))]
    for texts, line in grid:
        out.append("| %s |" %
                   " | ".join(texts + [MARKS[row["outcome"]] if row else "" for row in line]))
    return "\n".join(out) + "\n\n" + totals(rows) + ".\n"


FORMATS = {"table": table, "json": as_json, "tap": tap, "junit": junit, "markdown": markdown}
