# SPDX-License-Identifier: GPL-2.0-or-later

"""
Shows the figures of bench.py: tables, goals, a chart. Measures nothing itself.

A result is a dict: `work` (a name), `title`, `unit`, `less_is_better`, `bases` (the
contenders that ratios are relative to; the chart uses the first) and `rows`, each with
`contender`, `median`, `figures` (all of them) and `ratios` (by base).
"""

import collections
import html
import statistics


def result(work, title, unit, figures, bases=(), less_is_better=False):
    """A result; `figures` has a list of figures by contender."""
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
    """Formats each of a result's figures with as many decimals as suit the largest."""
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

# `measure` takes the rows of `work`, by contender, and returns the value that `limit` applies to.
# If that is a ratio, `base` is the contender that it is relative to; otherwise it is None.
Goal = collections.namedtuple("Goal", "work figure base measure relation limit")


def ratio(work, contender, relation, limit, base):
    return Goal(work, "%s / %s" % (contender, base), base,
                lambda rows: rows[contender]["median"] / rows[base]["median"], relation, limit)


def median(work, contender, relation, limit):
    return Goal(work, contender, None, lambda rows: rows[contender]["median"], relation, limit)


def spread(work, relation, limit):
    return Goal(
        work, "most minus least", None,
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


# Chart ---------------------------------------------------------------------------------

WIDTH = 840
MARGIN = 32
BARS_X = 190		# names end before it
BARS_WIDTH = 470	# the longest whisker; figures follow it
ROW = 24
BAR = 14

STYLE = """
text { font: 13px "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; fill: #1f2328 }
.title { font-size: 20px }
.work { font-size: 15px }
.title, .work, .bold { font-weight: bold }
.note, .ratio { fill: #59636e }
.name { text-anchor: end }
.paper { fill: #ffffff }
.bar { fill: #9aa5b1 }
.ours { fill: #3b7dd8 }
.whisker { stroke: #1f2328; stroke-width: 1.5; fill: none }
.axis { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.note, .ratio { fill: #9198a1 }
.paper { fill: #0d1117 }
.bar { fill: #59636e }
.ours { fill: #3b7dd8 }
.whisker { stroke: #f0f6fc }
.axis { stroke: #3d444d }
}
"""


def text(x, y, content, css=""):
    return '<text x="%.1f" y="%.1f"%s>%s</text>' % (x, y, ' class="%s"' % css if css else "",
                                                    content)


def chart_row(row, res, y, scale):
    base = res["bases"][0] if res["bases"] else None
    middle = y + ROW / 2
    least, most = (BARS_X + scale * limit(row["figures"]) for limit in (min, max))
    bar = scale * row["median"]
    ours = row["contender"].endswith((" tun", " raw", " worker", " workers"))
    label = formatter(res)(row["median"])
    if base:
        label += '<tspan class="ratio" dx="8">%.2f</tspan>' % row["ratios"][base]
    parts = [
        text(BARS_X - 10, middle + 4.5, html.escape(row["contender"]),
             "name bold" if ours else "name"),
        '<rect class="bar%s" x="%d" y="%.1f" width="%.1f" height="%d"/>' %
        (" ours" if ours else "", BARS_X, middle - BAR / 2, bar, BAR),
        text(max(BARS_X + bar, most) + 10, middle + 4.5, label),
    ]
    if most - least >= 1:
        parts.append('<path class="whisker" d="M%.1f %.1fv8m0 -4H%.1fm0 -4v8"/>' %
                     (least, middle - 4, most))
    return parts


def chart(results, note):
    """All results, as the text of an SVG file."""
    parts = []
    y = MARGIN + 20
    parts.append(text(MARGIN, y, "What the box costs", "title"))
    y += 24
    parts.append(text(MARGIN, y, html.escape(note), "note"))
    y += 20
    parts.append(
        text(
            MARGIN, y, "Bars are medians, whiskers go from least to most. Bold: reseg, with its "
            "--arrival and --inject.", "note"))
    for res in results:
        y += 44
        heading = html.escape("%s: %s" % (res["work"], res["title"]))
        parts.append(text(MARGIN, y, heading, "work"))
        y += 19
        about = "%s, %s is better" % (res["unit"], "less" if res["less_is_better"] else "more")
        if res["bases"]:
            about += "; ratio to " + res["bases"][0]
        parts.append(text(MARGIN, y, html.escape(about), "note"))
        y += 10
        scale = BARS_WIDTH / max(max(row["figures"]) for row in res["rows"])
        parts.append('<path class="axis" d="M%d %.1fv%d"/>' % (BARS_X, y, ROW * len(res["rows"])))
        for row in res["rows"]:
            parts += chart_row(row, res, y, scale)
            y += ROW
    height = y + MARGIN
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">'
        % (WIDTH, height, WIDTH, height),
        "<title>What the box costs</title>",
        "<style>%s</style>" % STYLE,
        '<rect class="paper" width="100%" height="100%"/>',
        *parts,
        "</svg>\n",
    ])
