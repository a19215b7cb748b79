# SPDX-License-Identifier: GPL-2.0-or-later
"""How pages look: contrast and colours in each scheme, on paper, without scripts."""

import base64
import re

from checks import check, expect
from pages.browser import (PICTURE, command, media, picture, pixels, rectangle, run, seen,
                           shot, show, there, variable)

A4 = (8.27, 11.69)

# [what, ratio, how much it must be]
CONTRAST = r"""
const found = [];
const light = text => {
  const match = text.match(/^rgb\((\d+), (\d+), (\d+)\)$/);
  if (!match)
    throw new Error('not a plain colour: ' + text);
  return match.slice(1).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0.05);
};
const behind = e => {
  const colour = getComputedStyle(e).backgroundColor;
  return colour !== 'rgba(0, 0, 0, 0)' ? colour : behind(e.parentElement);
};
const add = (e, what, colour, back, need) => found.push([
  `${e.tagName}.${e.getAttribute('class') || ''} ${what} ${colour} on ${back}`,
  Math.max(light(colour), light(back)) / Math.min(light(colour), light(back)), need]);
for (const e of document.querySelectorAll('.details')) e.hidden = false, e.textContent = 'x';
for (const e of document.querySelectorAll('li')) e.classList.add('lit');
for (const e of document.querySelectorAll('body *')) {
  const style = getComputedStyle(e);
  if (e.closest('defs') || style.display === 'none' || !e.getClientRects().length)
    continue;
  if (style.opacity !== '1') throw new Error('opacity');
  const says = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (e instanceof SVGElement) {
    let back = behind(e);
    if (e.matches('text.block')) back = getComputedStyle(e.previousSibling).fill;
    if (e.matches('text'))
      add(e, 'text', style.fill, back, 4.5);
    else if (e.matches('.life, .tick, polyline:not(.wide), .x, .arrival, .cut, .missing, .band, ' +
        '.folded rect'))
      add(e, 'line', style.stroke, back, 3);
    else if (e.matches('.head, .mark'))
      add(e, 'area', style.fill, back, 3);
  } else if (says && !e.matches('script, style'))
    add(e, 'text', style.color, behind(e), 4.5);
}
for (const e of document.querySelectorAll('.hatch'))
  for (const under of document.querySelectorAll('body, .band:not(.never)'))
    add(e, 'line', getComputedStyle(e).stroke,
      under === document.body ? behind(e) : getComputedStyle(under).fill, 3);
return found;
"""


@check
def all_can_be_read_in_each_scheme():
    for name in ("513", "1025", "sweep", "drops"):
        for kind, scheme in (("", "light"), ("", "dark"), ("print", "light"), ("print", "dark")):
            show(name)
            media(kind, scheme)
            where = (name, kind, scheme)
            paper = variable("paper")
            assert paper == [255, 255, 255
                             ] if kind or scheme == "light" else max(paper) < 64, (where, paper)
            found = run(CONTRAST)
            assert len(found) > 50, where
            expect(sorted({(what, round(ratio, 2))
                           for what, ratio, need in found if ratio < need}), [], where)


@check
def nothing_is_told_by_colour_only():
    drawn, = picture("1025")
    style = {}
    for way in drawn["ways"]:
        look = run(
            "const line = document.querySelector('#' + arguments[0] + ' polyline:not(.wide)');"
            "const s = getComputedStyle(line);"
            "return [s.strokeDasharray, s.strokeWidth]", way["id"])
        kind = tuple(sorted({"made", "forged", "never"} & set(way["css"])))
        expect(style.setdefault(kind, look), look, way["id"])
        notes = [note["text"] for note in way["notes"] if "forged" in note["css"]]
        expect([text.startswith("forged: ") for text in notes], [True] * ("forged" in kind),
               way["id"])
    expect(sorted(style), [(), ("forged", "made"), ("forged", "made", "never"), ("forged", "never"),
                           ("made", )])
    expect(len(set(map(str, style.values()))), len(style), style)
    for name in ("513", "1025", "drops"):
        for way in picture(name)[0]["ways"]:
            for mark in way["marks"]:
                assert any(mark["css"][1] + ":" in note["text"]
                           for note in way["notes"]), (name, way)
    show("1025")
    fills = [run("return getComputedStyle(document.querySelector(arguments[0])).fill", css)
             for css in (".band", ".band.never", ".cut", ".missing")]
    assert [fill.startswith("url(") for fill in fills] == [False, True, False, True], fills
    show("sweep")
    expect(
        run("return [...document.querySelectorAll('.bad td:last-child')].map(e => e.textContent)"),
        ["stalled"] * 2)
    assert seen(".legend span") >= 4


@check
def it_prints():
    for name, most in (("513", 2), ("1025", 2), ("512", 2), ("no-box", 2), ("sweep", 8), ("bulk",
                                                                                          14)):
        show(name, 718)		# A4 without its margins
        media("print")
        expect(seen(".controls, .details, .help, input"), 0, name)
        expect(
            run("return [...document.querySelectorAll('*')]"
                ".filter(e => e.getBoundingClientRect().right > 718)"
                ".map(e => e.outerHTML.slice(0, 99))"), [], name)
        expect(run("return [...document.querySelectorAll('.dialogue')].filter("
                   "e => getComputedStyle(e).position !== 'static').length"), 0, name)
        printed = command("Page.printToPDF", paperWidth=A4[0], paperHeight=A4[1],
                          printBackground=False)
        pdf = base64.b64decode(printed["data"])
        pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
        assert pdf.startswith(b"%PDF-") and 1 <= pages <= most, "%s: %d pages" % (name, pages)


@check
def colours_are_where_they_must_be():
    for scheme in ("light", "dark"):
        parts = {}
        for name in ("513", "512", "no-box"):
            show(name)
            media("", scheme)
            bad, cut, paper = variable("bad"), variable("cut"), variable("paper")
            x, y, width, height = rectangle("svg.ladder")
            if name == "513":
                band = rectangle(".band.never")
                place = [band[0] - x + 2, (band[1] - y) / height, band[2] - 4, band[3] / height]
            part = shot(x + place[0], y + place[1] * height + 2, place[2], place[3] * height - 4)
            whole = shot(x, y, width, height)
            parts[name] = pixels(part, [bad, cut, paper]) + pixels(whole, [bad])
        assert 0.03 < parts["513"][0] < 0.6 and parts["513"][1] > 0.1 and parts["513"][3] > 0.005, (
            scheme, parts)
        expect([parts["512"][0], parts["512"][3]], [0, 0], (scheme, "clean", parts))
        assert parts["no-box"][2] > 0.999, (scheme, parts)


def differences(a, b, at=""):
    """Where two pictures differ by more than rounding."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return [] if abs(a - b) < 1 else ["%s: %g, %g" % (at, a, b)]
    if type(a) is not type(b) or isinstance(a, (list, dict)) and len(a) != len(b):
        return ["%s: %s, %s" % (at, a, b)]
    if isinstance(a, list):
        return [
            found for i, both in enumerate(zip(a, b))
            for found in differences(*both, "%s %d" % (at, i))
        ]
    if isinstance(a, dict):
        return [found for key in a for found in differences(a[key], b[key], "%s %s" % (at, key))]
    return [] if a == b else ["%s: %s, %s" % (at, a, b)]


@check
def it_is_whole_without_scripts():
    for name in ("513", "1025", "sweep"):
        with_scripts = picture(name)
        command("Emulation.setScriptExecutionDisabled", value=True)
        try:
            show(name)
            expect(there(".wide"), [], "scripts ran")
            without = run(PICTURE)
            expect(differences(without, with_scripts), [], name)
            # And nothing is offered that does not work.
            expect(seen("input, .details, .help"), 0, name)
        finally:
            command("Emulation.setScriptExecutionDisabled", value=False)
