# SPDX-License-Identifier: GPL-2.0-or-later
"""What reseg-report says of captures, as text, and as pages that are read as text. Needs no
browser."""

import html
import re
import signal
import subprocess

import checks
from captures import run

NEVER_GOT = "The client holds ACKs for %d bytes that the server never got."
DELIVERED = "Every byte that was acknowledged was delivered."


def report(*arguments):
    return run("reseg-report", *arguments).stdout


def text_of(part):
    return html.unescape(re.sub("<[^>]*>", "", part))


class Section:
    """A connection of a page."""

    def __init__(self, source):
        self.verdict = text_of(re.search(r'<p class="verdict[^>]*>(.*?)</p>', source)[1])
        lines = re.findall(
            r'<li class="((?:client|server)[^"]*)"[^>]*><b>..</b> <code>(.*?)</code>', source)
        self.lines = [(css.split()[0], text_of(text), "undelivered" in css) for css, text in lines]
        self.rulers = [{css: [tuple(map(int, found)) for found in re.findall(
            r'<rect[^>]*class="%s"[^>]*><title>bytes (\d+) to (\d+)' % css, ruler)]
            for css in ("arrival", "cut")}
            for ruler in re.findall(r'<svg[^>]*class="ruler".*?</svg>', source)]
        self.ways = [(css.split(), text_of(title)) for css, title in re.findall(
            r'<g class="(way[^"]*)" tabindex[^>]*><title>(.*?)</title>', source, re.DOTALL)]
        self.picture = re.search(r'<svg[^>]*class="ladder".*?</svg>', source, re.DOTALL)[0]


def page(*arguments):
    run("reseg-report", *arguments, "-o", checks.folder / "page.html")
    return (checks.folder / "page.html").read_text(encoding="utf-8")


def sections(*arguments):
    return [Section(part) for part in page(*arguments).split("<section")[1:]]


def watched(path):
    """What is shown while a file is written; here it is already there."""
    def hold_signal():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    watcher = subprocess.Popen(["reseg-report", "--watch", str(path)], stderr=subprocess.PIPE,
                               text=True, preexec_fn=hold_signal)
    watcher.terminate()
    return watcher.communicate(timeout=60)[1]
