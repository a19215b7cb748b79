# SPDX-License-Identifier: GPL-2.0-or-later
"""What pages say, and that they need nothing else to say it."""

import json
import re

import checks
from checks import check, expect
from pages import browser
from pages.browser import picture, run, show, there
from pages.labs import HOSTILE, PAGES

PAGE_MAX = 1 << 20


@check
def pages_need_nothing_else():
    for name in PAGES:
        source = (checks.folder / (name + ".html")).read_text(encoding="utf-8")
        assert len(source.encode()) < PAGE_MAX, "%s: %d bytes" % (name, len(source))
        policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', source)
        expect(policy and policy[1],
               "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'", name)
        own = source.replace("src=//192.0.2.1/", "")	# as it was captured
        expect(
            re.findall(
                r"https?://|<(?:link|img|iframe|object|embed|base|use|image)\b|\bsrc=|@import|"
                r'@font-face|url\((?!#)|href="(?!#)|fetch\(|XMLHttpRequest|WebSocket|'
                r"import\(", own), [], name)
        browser.driver.get_log("performance"), browser.driver.get_log("browser")
        show(name)
        run("for (const a of document.querySelectorAll('[data-way]'))"
            "  a.dispatchEvent(new Event('mouseenter'));")
        expect(run("return performance.getEntriesByType('resource').map(e => e.name)"), [], name)
        expect([entry["message"] for entry in browser.driver.get_log("browser")], [], name)
        asked = [json.loads(entry["message"])["message"]
                 for entry in browser.driver.get_log("performance")]
        asked = [m["params"] for m in asked if m["method"] == "Network.requestWillBeSent"]
        own = (checks.folder / (name + ".html")).as_uri()
        expect({request["request"]["url"]
                for request in asked if request["documentURL"] == own}, {own}, name)


@check
def verdicts():
    lost = "The client holds ACKs for 513 bytes that the server never got."
    fine = "Every byte that was acknowledged was delivered."
    for name in ("513", "1025", "replay", "512", "no-box", "drops", "bulk"):
        drawn, = picture(name)
        bad = name in ("513", "1025", "replay")
        expect(drawn["verdict"]["text"], lost if bad else fine, name)
        expect(drawn["verdict"]["css"], ["verdict", "bad" if bad else "good"], name)
        assert run("return document.title"), name
    drawn, = picture("black-hole")	# neither good nor the box's doing
    expect(drawn["verdict"]["text"], "Not all data was acknowledged: its sender knows that.")
    expect(drawn["verdict"]["css"], ["verdict"])
    show("nothing")
    expect(
        run("return document.body.innerText").split("\n")[-1],
        "No connection began while this was captured.")
    drawn = picture("sweep")
    expect(run("return document.querySelector('.verdict').textContent"),
           "2 connections of 50 ended with 1,026 bytes ACKed to their sender and never delivered.")
    expect([d["verdict"]["text"] for d in drawn], [lost, lost, fine])


@check
def overview_is_that_of_the_event_log():
    show("sweep")
    rows = run("""
const link = row => row.querySelector('a') ? row.querySelector('a').getAttribute('href') : '';
return [...document.querySelectorAll('.overview tr')].slice(2).map(
  row => [[...row.cells].map(cell => cell.textContent), row.className, link(row)]);""")
    events = [json.loads(line)
              for line in (checks.folder / "sweep/events.jsonl").read_text().splitlines()]
    stalled = {event["flow"] for event in events if event["event"] == "stall"}
    closed = {event["flow"]: event for event in events if event["event"] == "flow_closed"}
    expect(len(rows), len(closed))
    sizes = [*range(500, 525), *range(1012, 1037)]
    for cells, css, link in rows:
        event = closed[int(cells[0])]
        relay = event["relays"][0]
        assert (":%d →" % event["client_port"]) in cells[1], cells
        expect([int(cell.replace(",", "")) for cell in cells[3:6]],
               [relay["acked"], relay["delivered"], relay["orphaned"]], cells)
        expect(cells[8], "0", cells)
        # The probe's sizes, in their order.
        expect(int(cells[2].replace(",", "")), sizes.pop(0), cells)
        expect(cells[9], "stalled" if int(cells[0]) in stalled else "", cells)
        expect(css, "bad" if relay["orphaned"] else "good", cells)
        assert link or not relay["orphaned"], "%s is not drawn" % cells
        assert not link or there(link), link


@check
def captured_text_is_text():
    drawn, = picture("hostile")
    assert "hostile" in run("return document.title"), "the title was changed"
    expect(run("return ['img', 'script'].map(css => document.querySelectorAll(css).length)"),
           [0, 1])
    line, = [line for line in drawn["lines"] if "client" in line["css"]]
    assert line["text"].startswith(HOSTILE[:30]), line
