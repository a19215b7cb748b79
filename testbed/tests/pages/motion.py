# SPDX-License-Identifier: GPL-2.0-or-later
"""What moves: by the zoom, by keys, by the mouse; and what is left out."""

import re
import time

import checks
from checks import check, expect
from pages import browser
from pages.browser import PICTURE, command, picture, run, seen, show
from pages.facts import packets, ways

RENDER_SECONDS = 5
ELEMENTS_MAX = 5000		# in the picture of 10,000 packets

FOCUS = "return document.activeElement.id || document.activeElement.className"


def set_zoom(value):
    run("const zoom = document.querySelector('.zoom');"
        "zoom.value = arguments[0]; zoom.dispatchEvent(new Event('input'));", value)


def gap(a, b):
    """How many ways there are between two, by their numbers."""
    return int(b["id"].split("w")[1]) - int(a["id"].split("w")[1]) - 1


def heights(drawn):
    """All heights, by what they belong to."""
    found = {"height": drawn["height"], "box": drawn["box"][3]}
    for i, life in enumerate(drawn["lives"]):
        found["life", i] = life["bottom"]
    for kind in ("times", "lane", "folds"):
        for i, thing in enumerate(drawn[kind]):
            found[kind, i] = thing["y"]
    for i, fold in enumerate(drawn["folds"]):
        found["fold's text", i] = fold["label"]["y"]
    for band in drawn["bands"]:
        for i, part in enumerate(band["runs"]):
            for k, y in enumerate(part[1::2]):
                found["band", str(band["css"]), i, k] = y
    for way in drawn["ways"]:
        for i, (_, y) in enumerate(way["points"]):
            found[way["id"], "point", i] = y
        for kind in ("labels", "notes", "marks"):
            for i, thing in enumerate(way[kind]):
                found[way["id"], kind, i] = thing["y"]
        for head in way["head"]:
            found[way["id"], "head"] = head["at"][1]
    return found


@check
def the_zoom_moves_all_of_it():
    for name in ("513", "1025", "bulk", "replay", "no-box"):
        before = picture(name)[0]
        first = run("return document.querySelector('.zoom').value")
        start = heights(before)
        for value in (0, 30, 80, 100, 55):
            set_zoom(value)
            drawn = run(PICTURE)[0]
            now = heights(drawn)
            expect(now.keys(), start.keys(), name)
            if value in (0, 100):
                assert (now["height"] <
                        start["height"]) == (value == 0) and now["height"] != start["height"], name
            # Everything stays in order,
            places = [
                now[key]
                for key in sorted((key for key in start if key[-2] == "point"), key=start.get)
            ]
            assert all(a <= b + 0.15 for a, b in zip(places, places[1:])), (name, value)
            # and what belongs together stays together.
            for way, old in zip(drawn["ways"], before["ways"]):
                moved = [b[1] - a[1] for a, b in zip(old["points"], way["points"])]
                for kind in ("labels", "notes", "marks", "head"):
                    for a, b in zip(old[kind], way[kind]):
                        by = b["at"][1] - a["at"][1] if kind == "head" else b["y"] - a["y"]
                        # A label stands where its packet starts.
                        far = [abs(x - b["x"]) if kind == "labels" else 0 for x, _ in way["points"]]
                        where = far.index(min(far)) if kind == "labels" else -1
                        assert abs(by - moved[where]) < 0.3, (name, value, kind, way)
                if [head["css"] for head in way["head"]] == ["head"]:
                    assert abs(way["head"][0]["at"][1] - way["points"][-1][1]) < 0.3, (name, value,
                                                                                       way)
            for life in drawn["lives"]:
                assert abs(life["bottom"] - drawn["height"]) < 1, (name, value, life)
            gaps = [(a, b) for a, b in zip(drawn["ways"], drawn["ways"][1:]) if gap(a, b)]
            for fold, (a, b) in zip(drawn["folds"], gaps):
                assert a["points"][0][1] < fold["y"] < fold["label"]["y"] < b["points"][0][1], (
                    name, value, fold)
            for a, b in zip(before["bands"], drawn["bands"]):
                by = b["runs"][-1][-2] - a["runs"][-1][-2]
                assert abs(by -
                           (drawn["height"] - before["height"])) < 1 or "never" not in a["css"], (
                               name, value)
        set_zoom(first)
        now = heights(run(PICTURE)[0])
        wrong = {key: (y, now[key]) for key, y in start.items() if abs(now[key] - y) >= 1}
        expect(wrong, {}, name)


@check
def time_is_to_scale():
    for name in ("513", "no-box"):
        drawn = picture(name)[0]
        times = [p.time for p in packets(checks.folder / name / "lab.pcapng")]
        gone = (max(times) - min(times)) / 1e9
        expect(drawn["times"][-1]["text"], "%.3f" % (gone * 1000), name)
        sizes = {}
        for value in (0, 60, 90):
            set_zoom(value)
            said = run("return document.querySelector('output').textContent")
            match = re.fullmatch(r"1 (ms|s|min) is (\d+) px", said)
            scale = int(match[2]) / {"ms": 0.001, "s": 1, "min": 60}[match[1]] if match else 0
            # A number that is rounded to less than two digits would say little.
            assert value == 0 or int(match[2]) >= 10 or match[1] == "min", (name, said)
            sizes[value] = run(PICTURE)[0], scale
        expect(sizes[0][1], 0, name)
        for value in (60, 90):
            grown = sizes[value][0]["height"] - sizes[0][0]["height"]
            assert abs(grown - gone * sizes[value][1]) < max(3, 0.05 * grown), (name, grown, gone,
                                                                                sizes[value][1])
            # The times at the side, too.
            scale = grown / gone
            for a, b in zip(sizes[0][0]["times"], sizes[value][0]["times"]):
                by = float(a["text"]) / 1000 * scale
                assert abs(b["y"] - a["y"] - by) < 1.5 + 1e-6 * scale, (name, a, b)


def hidden():
    """Is the focused packet's line outside the window, or hidden by the details?"""
    return run("""
const way = document.activeElement;
const line = way.querySelector('polyline:not(.wide)').getBoundingClientRect();
const details = way.closest('section').querySelector('.details').getBoundingClientRect();
return line.top < 0 || line.bottom > innerHeight ||
  line.bottom > details.top && line.top < details.bottom;""")


@check
def keys_go_from_packet_to_packet():
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(key):
        ActionChains(browser.driver).send_keys(key).perform()
    for name, most in (("513", 5), ("1025", 5), ("bulk", 5), ("sweep", 9)):
        ids = [way["id"] for way in picture(name)[0]["ways"]]
        # One stop for the whole picture,
        expect(seen("section:first-of-type .way[tabindex='0']"), 1, name)
        for _ in range(most):
            press(Keys.TAB)
            if run(FOCUS) == ids[0]:
                break
        expect(run(FOCUS), ids[0], name)
        for key, to in ((None, 0), (Keys.ARROW_UP, 0), (Keys.ARROW_DOWN, 1), (Keys.ARROW_DOWN, 2),
                        (Keys.ARROW_UP, 1), (Keys.END, -1), (Keys.ARROW_DOWN, -1),
                        (Keys.ARROW_UP, -2), (Keys.HOME, 0)):
            if key:
                press(key)
            expect(run(FOCUS), ids[to], "%s, to %d" % (name, to))
            expect(
                run("const d = document.querySelector('.details');"
                    "return [d.hidden, d.textContent, "
                    "[...document.querySelectorAll('.way.lit')].map(e => e.id)]"), [
                        False,
                        run("return document.activeElement.querySelector('title').textContent"),
                        [ids[to]]
                    ], name)
            assert not hidden(), "%s, to %d: it is not to be seen" % (name, to)
        # and no trap.
        press(Keys.TAB)
        assert run(FOCUS) not in ids, name


@check
def the_mouse_lights_packets_and_lines():
    drawn = picture("1025")[0]
    lit = "return [...document.querySelectorAll('.lit')].map(e => e.id || e.dataset.way)"

    def to(x, y):
        command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    for i, line in enumerate(drawn["lines"]):
        x, y, height = run(
            "const li = document.querySelectorAll('.dialogue li')[arguments[0]];"
            "const r = li.getBoundingClientRect();"
            "return [r.x, r.y, r.height]", i)
        to(x + 20, y + height / 2)
        found = run(lit)
        assert found and set(found) == {line["way"]} and found[0] == line["way"], (line, found)
        assert run("return document.querySelector('.way.lit').id") == line["way"], line
        expect(run("return document.querySelector('.details').textContent"),
               next(way["title"] for way in drawn["ways"] if way["id"] == line["way"]))
    # A little beside a line is near enough; and the packet highlights what was said in it.
    commands = [line["way"] for line in drawn["lines"] if "undelivered" in line["css"]]
    run("document.getElementById(arguments[0]).scrollIntoView({ block: 'center' })", commands[0])
    x, y = run("""
const line = document.querySelector('#' + arguments[0] + ' polyline:not(.wide)');
const p = line.getPointAtLength(line.getTotalLength() / 2).matrixTransform(line.getScreenCTM());
return [p.x, p.y];""", commands[0])
    to(5, 5)
    to(x, y + 4)
    expect(run("return document.querySelector('.way.lit').id"), commands[0])
    expect(run("return [...document.querySelectorAll('li.lit')].map(e => e.dataset.way)"),
           [line["way"] for line in drawn["lines"] if line["way"] == commands[0]])


@check
def ten_thousand_packets_are_folded():
    found = packets(checks.folder / "bulk/box.pcapng")
    assert len(found) > 10000, len(found)
    began = time.monotonic()
    show("bulk")
    run("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    took = time.monotonic() - began
    assert took < RENDER_SECONDS, "%.1f s" % took
    elements = run("return document.querySelectorAll('svg *').length")
    assert elements < ELEMENTS_MAX, elements
    drawn, = run(PICTURE)
    texts = [fold["label"]["text"] for fold in drawn["folds"]]
    numbers = [int(re.match(r"… ([\d,]+) packets, ", text)[1].replace(",", "")) for text in texts]
    assert len(numbers) > 1 and min(numbers) > 1
    expect(sum(numbers) + len(drawn["ways"]), ways(found))
    # What is not drawn is where the numbers of the ways have gaps.
    expect([gap(a, b) for a, b in zip(drawn["ways"], drawn["ways"][1:]) if gap(a, b)], numbers)
    for name in ("513", "1025", "512"):
        drawn, = picture(name)
        expect(drawn["folds"], [], name)
        expect(len(drawn["ways"]), ways(packets(checks.folder / name / "box.pcapng")), name)
