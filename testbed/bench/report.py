# SPDX-License-Identifier: GPL-2.0-or-later

"""
What bench.py says of its figures: tables, goals. It measures nothing.

A result is a dict: `work` (a name), `title`, `unit`, `less_is_better`, `bases` (the
contenders that ratios are given to) and `rows`, each with
`contender`, `median`, `figures` (all of them) and `ratios` (by base).
"""

import collections
import statistics


def result(work, title, unit, figures, bases=(), less_is_better=False):
    """Of `figures`, which has a list of figures by contender."""
    medians = {contender: statistics.median(values) for contender, values in figures.items()}
    return {
        "work": work,
        "title": title,
        "unit": unit,
        "less_is_better": less_is_better,
        "bases": list(bases),
        "rows": [{
            "contender": contender,
            "median": medians[contender],
            "ratios": {base: medians[contender] / medians[base] for base in bases},
            "figures": values,
        } for contender, values in figures.items()],
    }


def formatter(res):
    """Of a result's figures: as many decimals for each as the largest has use for."""
    largest = max(max(row["figures"]) for row in res["rows"])
    decimals = 2 if largest < 10 else 1 if largest < 1000 else 0
    return ("{:,.%df}" % decimals).format


def show(columns, rows):
    """Prints a table. The first column is text, the others are numbers, as text."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    for row in [columns, *rows]:
        print("  " + "  ".join([row[0].ljust(widths[0])] +
                               [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]))


def show_result(res):
    number = formatter(res)
    print("\n%s: %s (%s, %s is better)\n" % (res["work"], res["title"], res["unit"],
                                             "less" if res["less_is_better"] else "more"))
    show(["", "median", "least", "most"] + ["/ " + base for base in res["bases"]],
         [[row["contender"], number(row["median"]), number(min(row["figures"])),
           number(max(row["figures"]))] + ["%.2f" % row["ratios"][base] for base in res["bases"]]
          for row in res["rows"]])


# Goals ---------------------------------------------------------------------------------

# `measure` takes the rows of `work`, by contender, and returns what `limit` is for; `base` is
# the contender that it is a ratio to, or None.
Goal = collections.namedtuple("Goal", "work figure base measure relation limit")


def ratio(work, contender, relation, limit, base):
    return Goal(work, "%s / %s" % (contender, base), base,
                lambda rows: rows[contender]["median"] / rows[base]["median"], relation, limit)


def median(work, contender, relation, limit):
    return Goal(work, contender, None, lambda rows: rows[contender]["median"], relation, limit)


def spread(work, relation, limit):
    return Goal(work, "most minus least", None,
                lambda rows: max(max(row["figures"]) - min(row["figures"]) for row in rows.values()),
                relation, limit)


def judge(goals, results):
    """The goals of these results, as a list of dicts."""
    by_work = {res["work"]: {row["contender"]: row for row in res["rows"]} for res in results}
    judged = []
    for goal in goals:
        if goal.work not in by_work:
            continue
        value = goal.measure(by_work[goal.work])
        met = value >= goal.limit if goal.relation == ">=" else value <= goal.limit
        judged.append({"work": goal.work, "figure": goal.figure, "value": value,
                       "relation": goal.relation, "limit": goal.limit, "met": met})
    return judged


def show_goals(judged):
    print("\ngoals\n")
    show(["", "value", "goal", ""],
         [["%s: %s" % (goal["work"], goal["figure"]), "%.2f" % goal["value"],
           "%s %g" % (goal["relation"], goal["limit"]), "met" if goal["met"] else "MISSED"]
          for goal in judged])
