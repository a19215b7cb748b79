# SPDX-License-Identifier: GPL-2.0-or-later
"""What is where in the picture of a connection, on its rulers and in its dialogue."""

import collections
import re

from checks import check, expect
from pages.browser import picture, pictures, run, show, there
from pages.facts import lost_packets, tell
from pages.labs import PAGES


@check
def marks_are_where_they_must_be():
    for name, drawn, facts in pictures("513", "1025", "512", "sweep", "drops"):
        where = "%s, %s" % (name, drawn["name"])
        marks = [(mark["css"][1], note["text"]) for way in drawn["ways"]
                 for mark in way["marks"] for note in way["notes"] if mark["css"][1] in note["css"]]
        stalls = [text for css, text in marks if css == "stall"]
        expect([int(re.search(r"stall: (\d+) pending", text)[1]) for text in stalls],
               [event["pending"] for event in facts.of("stall")], where)
        lost = facts.end["orphaned"]
        expect([text for css, text in marks if css == "orphaned"],
               ["orphaned: %s ACKed, never delivered" % tell(lost)] if lost else [], where)
        expect([css for css, _ in marks].count("fault"),
               sum("fault: drop" in p.comment for p in facts.packets), where)
        # The box's own ACKs by the event log,
        forged = [way for way in drawn["ways"] if "forged" in way["css"]]
        lacks = [
            int(re.match(r"forged: ([\d,]+) byte", way["notes"][0]["text"])[1].replace(",", ""))
            for way in forged
        ]
        made = [i for i, way in enumerate(forged) if "made" in way["css"]]
        expect([lacks[i] for i in made], [n for _, n in facts.forged], where)
        delivered = facts.end["delivered"]
        expect(["never" in forged[i]["css"] for i in made],
               [end > delivered for end, _ in facts.forged], where)
        expect(["never" in way["notes"][0]["text"] for way in forged],
               ["never" in way["css"] for way in forged], where)
        # and those of others' packets that it raised, by the comments in the capture.
        comments = "\n".join(p.comment for p in facts.packets if not p.inbound)
        said = re.findall(r"forged ACK: the server does not have the last (\d+) byte", comments)
        expect(lacks, list(map(int, said)), where)


@check
def a_clean_page_warns_of_nothing():
    for name in ("512", "no-box", "drops", "loss", "bulk"):
        picture(name)
        expect(
            there("section .stall", "section .orphaned", "section .never", ".missing",
                  ".undelivered"), [], name)
    show("no-box")
    expect(there("section .mark", "section .forged", ".band", ".lane", "section .made", ".ruler"),
           [])


@check
def orphaned_bytes_are_a_band():
    for name, drawn, facts in pictures("513", "1025", "512", "sweep"):
        most, lost = max(n for _, n in facts.forged), facts.end["orphaned"]
        expect([band["css"] for band in drawn["bands"]],
               [["band"]] + [["band", "never"]] * (lost > 0), name)
        labels = [label["text"] for label in drawn["lane"]]
        expect(labels, ["ACKed, not delivered", tell(most)] + ["never: " + tell(lost)] * (lost > 0),
               name)
        left = drawn["bands"][0]["runs"][0][0]
        # M x y, H x, then V y, H x...: as wide as there are bytes.
        widths = [max(max(part[2::2]) for part in band["runs"]) - left for band in drawn["bands"]]
        unit = max(widths) / most
        assert lost == 0 or abs(widths[-1] - lost * unit) < 0.2, (name, widths)
        # It begins where the box forges,
        first = next(way for way in drawn["ways"] if "forged" in way["css"])
        assert abs(drawn["bands"][0]["runs"][0][1] - first["points"][0][1]) < 0.2, name
        # and what is never delivered goes to the end.
        last = max(point[1] for way in drawn["ways"] for point in way["points"])
        for band in drawn["bands"][1:]:
            never = next(way for way in drawn["ways"] if "never" in way["css"])
            assert abs(band["runs"][0][1] - never["points"][0][1]) < 0.2 and len(
                band["runs"]) == 1, (name, band)
            assert band["runs"][0][-2] >= last - 0.2, (name, band, last)
    expect(picture("no-box")[0]["bands"], [])


@check
def arrows_go_from_line_to_line():
    for name in PAGES:
        for drawn in picture(name) if name != "nothing" else []:
            lives = {
                life["x"]: place["text"]
                for life, place in zip(drawn["lives"], drawn["places"])
            }
            expect(sorted(lives.values()), ["box"] * (name != "no-box") + ["client", "server"],
                   name)
            half = {(a + b) / 2 for a, b in zip(sorted(lives), sorted(lives)[1:])}
            before = losses = 0
            for way in drawn["ways"]:
                where = (name, way)
                xs, ys = zip(*way["points"])
                lost = [head["css"] for head in way["head"]] == ["x"]
                # One that arrives among packets that are left out ends half-way, without a head.
                cut = not way["head"]
                assert not cut or any(fold["y"] > ys[0] for fold in drawn["folds"]), where
                assert xs[0] in lives and xs[0] != xs[-1], where
                assert xs[-1] in (half if lost or cut else lives), where
                assert list(ys) == sorted(ys) and list(xs) in (sorted(xs), sorted(
                    xs, reverse=True)), where
                assert ys[0] >= before - 0.2, where
                before = ys[0]
                tip = (xs[-1], ys[-1]) if cut else way["head"][0]["at"]
                assert lost or abs(tip[0] - xs[-1]) < 0.2 and abs(tip[1] - ys[-1]) < 0.2, where
                assert ("made" in way["css"]) == (lives[xs[0]] == "box"), where
                for label in way["labels"]:
                    assert min(abs(x - label["x"]) for x in xs) < 12 and any(0 < y - label["y"] < 8
                                                                             for y in ys), where
                for life in drawn["lives"]:
                    assert life["top"] <= ys[0] and life["bottom"] >= ys[-1], where
                losses += lost
                assert not lost or xs[-1] in half, where
            if name not in ("sweep", "bulk", "replay", "no-box"):
                expect(losses, 0 if name == "drops" else lost_packets(name), name)
                assert losses or name != "loss"
            times = [float(label["text"]) for label in drawn["times"]]
            expect(times, sorted(set(times)), name)
            expect(drawn["times"], sorted(drawn["times"], key=lambda label: label["y"]), name)


@check
def nothing_is_outside_or_on_something_else():
    for name in PAGES:
        show(name)
        expect(
            run(
                """
const found = [], crowded = arguments[0];
for (const svg of document.querySelectorAll('svg.ladder, svg.ruler')) {
  const [left, top, width, height] = svg.getAttribute('viewBox').split(' ').map(Number);
  const texts = [...svg.querySelectorAll('text')].map(e => ({ e, b: e.getBBox() }));
  for (const { e, b } of texts)
    if (b.x < left || b.y < top || b.x + b.width > left + width || b.y + b.height > top + height)
      found.push('outside: ' + e.textContent);
  const band = svg.querySelector('.band');
  for (const { e, b } of band ? texts : [])
    if (!e.matches('.lane') && b.x + b.width > band.getBBox().x)
      found.push('on the band: ' + e.textContent);
  for (const [i, { e, b }] of crowded ? [] : texts.entries())
    for (const { e: f, b: c } of texts.slice(i + 1))
      if (b.x + 1 < c.x + c.width && c.x + 1 < b.x + b.width &&
          b.y + 4 < c.y + c.height && c.y + 4 < b.y + b.height)
        found.push(e.textContent + ' | ' + f.textContent);
}
if (document.documentElement.scrollWidth > innerWidth)
  found.push('wider than the window');
return found;""", name in ("bulk", "drops", "loss")), [], name)


@check
def rulers_add_up():
    for name, drawn, facts in pictures("513", "1025", "512", "sweep", "drops"):
        ruler, = drawn["rulers"]
        total, lost = len(facts.octets), facts.end["orphaned"]
        expect(total, sum(event["bytes"] for event in facts.of("arrival")), name)
        unit = max(block["x"] + block["width"] for block in ruler["blocks"]) / total
        at, sizes = {}, collections.defaultdict(list)
        for block in ruler["blocks"]:
            # One after the other, and each is labelled with its bytes.
            first = at.get(block["css"], 0 if block["css"] != "missing" else total - lost)
            n = lost
            if block["css"] != "missing":
                match = re.fullmatch(r"bytes (\d+) to (\d+)", block["title"])
                expect(int(match[1]), first, name)
                n = int(match[2]) + 1 - first
                sizes[block["css"]].append(n)
            assert abs(block["x"] - first * unit) < 0.2 and abs(block["width"] - n * unit) < 0.2, (
                name, block)
            if block["css"] != "missing":
                assert block["text"] in ("", str(n)) and (block["text"]
                                                          or block["width"] < 30), (name, block)
            at[block["css"]] = first + n
        expect(
            at, dict({"arrival": total, "cut": total - lost},
                     **({"missing": total} if lost else {})), name)
        sent = [
            len(p.payload) for p in facts.packets if p.inbound and p.link == "client" and p.payload
        ]
        expect(sizes["arrival"], sent, name)
        pieces = {
            p.seq: len(p.payload)
            for p in facts.packets if not p.inbound and p.link == "server" and p.payload
        }
        order = sorted(pieces, key=lambda seq: seq - facts.first & 0xFFFFFFFF)
        expect(sizes["cut"], [pieces[seq] for seq in order], name)
        ticks = [int(label["text"]) for label in ruler["labels"] if "tick-text" in label["css"]]
        assert set(ticks) == {0, total - lost, total}, (name, ticks)
        expect([label["text"] for label in ruler["labels"] if "missing-text" in label["css"]],
               ["%s ACKed, never delivered" % tell(lost)] if lost else [], name)
    (_, drawn, facts), = pictures("bulk")
    texts = [label["text"] for label in drawn["rulers"][0]["labels"] if "block" in label["css"]]
    expect(texts, [
        "%s of up to 1,448 bytes" % tell(len(facts.of("arrival")), "packet"),
        "%s of up to 512 bytes" % tell(sum(event["pieces"] for event in facts.of("cut")), "packet")
    ])


@check
def lines_not_delivered_are_those_of_the_dialogue():
    for name, drawn, facts in pictures("513", "1025", "512", "sweep"):
        at, lines = 0, []
        for line in bytes(facts.octets).splitlines(keepends=True):
            at += len(line)
            lines.append((line.decode().rstrip("\r\n"), len(line), at))
        said = [line for line in drawn["lines"] if "client" in line["css"]]
        expect(len(said), len(lines), name)
        expect(any(at > facts.end["delivered"] for _, _, at in lines), facts.end["orphaned"] > 0,
               name)
        titles = {way["id"]: way["title"] for way in drawn["ways"]}
        for row, (text, length, at) in zip(said, lines):
            lost = at > facts.end["delivered"]
            cut = re.fullmatch(r"(.*)… \((\d+) bytes\)", row["text"])
            assert row["text"] == text or cut and text.startswith(cut[1]) and int(
                cut[2]) == length, (name, row, text)
            expect("undelivered" in row["css"], lost, (name, row))
            expect(row["state"], "ACKed, never delivered" if lost else "", (name, row))
            # It belongs to the packet that carried its end.
            first, last = map(int, re.match(r"\S+ (\d+):(\d+)", titles[row["way"]]).groups())
            assert first - 1 < at <= last - 1, (name, row, titles[row["way"]])
        server = [line for line in drawn["lines"] if "server" in line["css"]]
        assert server and not any("undelivered" in line["css"] for line in server), name
