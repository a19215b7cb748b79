# SPDX-License-Identifier: GPL-2.0-or-later
"""Headless Chromium: opens pages, and says what is where."""

import importlib.util
import os
import re

import checks
from pages.facts import Facts

BROWSER, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--hide-scrollbars", "--force-color-profile=srgb")
RUN_SECONDS = 60

driver = None

# What is drawn of each connection.
PICTURE = r"""
const number = (e, name) => Number(e.getAttribute(name));
const all = (e, what) => [...e.querySelectorAll(what)];
const numbers = text => text.match(/[-\d.]+/g).map(Number);
const text = e => ({
  x: number(e, 'x'), y: number(e, 'y'), text: e.textContent, css: [...e.classList] });
return all(document, 'section').map(s => ({
  name: s.querySelector('h2').textContent, verdict: text(s.querySelector('.verdict')),
  height: number(s.querySelector('svg.ladder'), 'height'),
  box: s.querySelector('svg.ladder').getAttribute('viewBox').split(' ').map(Number),
  lives: all(s, '.life').map(e => ({
    x: number(e, 'x1'), top: number(e, 'y1'), bottom: number(e, 'y2') })),
  places: all(s, '.place').map(text), times: all(s, '.ladder > .time[data-y]').map(text),
  lane: all(s, '.lane').map(text),
  ways: all(s, '.ladder > .way').map(e => ({
    id: e.id, css: [...e.classList], title: e.querySelector('title').textContent,
    points: e.querySelector('polyline:not(.wide)').getAttribute('points').split(' ').map(
      p => p.split(',').map(Number)),
    head: all(e, 'path').map(p => ({
      css: p.getAttribute('class'), at: numbers(p.getAttribute('d')) })),
    labels: all(e, '.packet').map(text), notes: all(e, '.note').map(text),
    marks: all(e, '.mark').map(text) })),
  folds: all(s, '.folded').map(e => ({ y: number(e.firstChild, 'y'), label: text(e.lastChild) })),
  bands: all(s, '.band').map(e => ({
    css: [...e.classList], runs: e.getAttribute('d').split('M').slice(1).map(numbers) })),
  rulers: all(s, '.ruler').map(e => ({
    labels: all(e, 'text').map(text), blocks: all(e, 'rect').map(r => ({
      css: r.getAttribute('class'), x: number(r, 'x'), width: number(r, 'width'),
      title: r.textContent, text: r.nextSibling && r.nextSibling.classList.contains('block') ?
        r.nextSibling.textContent : '' })) })),
  lines: all(s, '.dialogue li').map(e => ({
    css: [...e.classList], text: e.querySelector('code').textContent,
    way: e.dataset.way, state: all(e, '.state').map(e => e.textContent).join() })),
}));
"""


def start():
    global driver
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in (*OPTIONS, "--user-data-dir=%s" % (checks.folder / "browser")):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    driver.set_page_load_timeout(RUN_SECONDS)
    driver.set_script_timeout(RUN_SECONDS)


def why_not():
    missing = [path for path in (BROWSER, DRIVER) if not os.access(path, os.X_OK)]
    if not importlib.util.find_spec("selenium"):
        missing.append("python3-selenium")
    return "%s is missing" % " and ".join(missing) if missing else ""


def command(name, **parameters):
    return driver.execute_cdp_cmd(name, parameters)


def show(name, width=1380):
    """Opens a page anew, as a browser does at first."""
    command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
            mobile=False)
    media()
    driver.get((checks.folder / (name + ".html")).as_uri())


def media(kind="", scheme="light"):
    command("Emulation.setEmulatedMedia", media=kind,
            features=[{"name": "prefers-color-scheme", "value": scheme}])


def run(script, *arguments):
    return driver.execute_script(script, *arguments)


def picture(name):
    show(name)
    return run(PICTURE)


def pictures(*names):
    """All connections of pages, each with what is known of it."""
    for name in names:
        for drawn in picture(name):
            yield name, drawn, Facts(name, int(re.match(r".*?:(\d+) →", drawn["name"])[1]))


def shot(x, y, width, height):
    return command("Page.captureScreenshot", captureBeyondViewport=True,
                   clip={"x": x, "y": y, "width": width, "height": height, "scale": 1})["data"]


def pixels(png, colours):
    """What share of a picture has each of these colours."""
    command("Page.navigate", url="about:blank")
    return driver.execute_async_script("""
const [png, colours, done] = arguments, image = new Image();
image.onload = () => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext('2d').drawImage(image, 0, 0);
  const data = canvas.getContext('2d').getImageData(0, 0, image.width, image.height).data;
  const near = (i, c) => c.every((value, k) => Math.abs(value - data[i + k]) < 32);
  const pixels = Array.from({ length: data.length / 4 }, (_, i) => 4 * i);
  done(colours.map(c => pixels.filter(i => near(i, c)).length / pixels.length));
};
image.src = 'data:image/png;base64,' + png;""", png, colours)


def rectangle(css):
    return run("const r = document.querySelector(arguments[0]).getBoundingClientRect();"
               "return [r.x + scrollX, r.y + scrollY, r.width, r.height]", css)


def variable(name):
    value = run("return getComputedStyle(document.body).getPropertyValue(arguments[0])",
                "--" + name).strip(" #")
    size = len(value) // 3
    return [int(value[i:i + size] * (3 - size), 16) for i in range(0, len(value), size)]


def there(*css):
    """Which of these the page has, even if they are hidden."""
    return run("return arguments[0].filter(css => document.querySelector(css))", css)


def seen(css):
    """How many of these can be seen."""
    return run("return [...document.querySelectorAll(arguments[0])]"
               ".filter(e => e.getClientRects().length).length", css)
