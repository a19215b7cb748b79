# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things stand in a ladder, from top to bottom."""

import bisect

import model
from notes import notes

# In pixels. page.js has no numbers of its own: it gets these.
TOP, STEP, NOTE, FOLD, BOTTOM = 46, 16, 5, 34, 16
REAL_MAX = 320		# most height that time itself takes, at first


class Layout:
    """
    The places of a ladder, one below the other in the order of time: each is one step below the one
    before, and further down the later it is. A place belongs to a node of a way, to a note below a
    way, or to a fold.
    """

    def __init__(self, c):
        self.start_ns = c.ways[0].time_ns
        # (way, number, [index of a place for each node], [the same for each note], whether its end
        # is in a fold)
        self.ways = []
        self.folds = []			# (index of a place, text)
        self.times = []			# of places, ns since the beginning
        self.before = []		# pixels that notes and folds before a place take
        runs = model.folds(c.ways)
        folded = {i for first, end in runs for i in range(first, end)}
        limits = fold_limits(c.ways, runs)
        places = []			# (time, way's number, node's number)
        for number, way in enumerate(c.ways):
            if number in folded:
                continue
            flat = len({node.time_ns for node in way.nodes}) == 1
            _, limit = next_fold(limits, number, way)
            places += [(node.time_ns, number, i)
                       for i, node in enumerate(way.nodes[:1] if flat else way.nodes)
                       if node.time_ns <= limit]
            places += [(min(way.nodes[-1].time_ns, limit), number, len(way.nodes) + i)
                       for i in range(len(notes(way)))]
        places += [(limit, first, -1) for first, limit in limits]
        places.sort()
        index, extra = {}, 0
        for time_ns, number, node in places:
            index[number, node] = len(self.times)
            if node < 0:
                extra += FOLD
            self.times.append(time_ns - self.start_ns)
            self.before.append(extra)
            if node >= len(c.ways[number].nodes):
                extra += NOTE
        for number, way in enumerate(c.ways):
            if number in folded:
                continue
            fold, limit = next_fold(limits, number, way)
            nodes = [index.get((number, i), index[number, 0]) for i, node in enumerate(way.nodes)
                     if node.time_ns <= limit]
            if len(nodes) < len(way.nodes):	# it ends in the fold
                nodes.append(index[fold, -1] - 1)
            below = [index[number, len(way.nodes) + i] for i in range(len(notes(way)))]
            self.ways.append((way, number, nodes, below, way.nodes[-1].time_ns > limit))
        for first, end in runs:
            self.folds.append((index[first, -1], model.fold_text(c.ways[first:end])))
        duration = self.times[-1] / 1e9 if self.times else 0
        self.scale = min(REAL_MAX / duration, 1e6) if duration > 0 else 0
        times = [orphans[0] for orphans in c.orphans]
        # For each place: the bytes that are orphaned, and how many of them are never delivered.
        self.orphans = [
            c.orphans[max(0,
                          bisect.bisect_right(times, self.start_ns + t) - 1)][1:]
            for t in self.times
        ]
        # What is between the shown places counts, too.
        for (place, _), (first, _) in zip(self.folds, runs):
            start = c.ways[first].time_ns - self.start_ns
            end = self.times[min(place + 1, len(self.times) - 1)]
            inside = [n for t, *n in c.orphans if start <= t - self.start_ns <= end]
            self.orphans[place] = tuple(map(max, zip(self.orphans[place], *inside)))

    def y(self, place):
        return TOP + STEP * place + self.before[place] + self.scale * self.times[place] / 1e9

    def height(self):
        return self.y(len(self.times) - 1) + BOTTOM if self.times else TOP


def fold_limits(ways, runs):
    """
    When each fold appears in the picture, as (first way, time): once the ways shown before it have
    arrived, but before those shown after it begin. A way that arrives later than that has no end in
    the picture.
    """
    limits, came, at = [], 0, 0
    for first, end in runs:
        came = max(came, max(way.nodes[-1].time_ns for way in ways[at:first]))
        after = ways[end].time_ns if end < len(ways) else came
        limits.append((first, max(ways[first].time_ns, min(came, after))))
        at = end
    return limits


def next_fold(limits, number, way):
    """The next fold after a way: its first way, and when it appears."""
    later = ((first, limit) for first, limit in limits if first > number)
    return next(later, (None, way.nodes[-1].time_ns))
