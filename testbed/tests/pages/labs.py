# SPDX-License-Identifier: GPL-2.0-or-later
"""The labs of which pages are drawn."""

import os
import subprocess

import checks

RUN_SECONDS = 60
HOSTILE = (
    "EHLO <script>document.title='x'</script>"
    "<img src=//192.0.2.1/ onerror=\"document.title='x'\">&amp;]]>'"
    "\x01\x7f\x85\xe9\u2028")
TALK = (
    "import os, socket\ns = socket.create_connection((os.environ['RESEG_SERVER'], 25), 5)\n"
    "s.recv(99)\n"
    "s.sendall(%r.encode('utf-8') + b'\\r\\n')\ns.recv(99)" % HOSTILE)

# What there is to see: a name, reseg-lab's options, the command.
RUNS = (
    ("bulk", "--fault drop:every=100", 'stream-client "$RESEG_SERVER" 7 3000000'),
    ("sweep", "", None),
    ("513", "", "reseg-probe one --size 513 --timeout 1 server"),
    ("1025", "", "reseg-probe one --size 1025 --timeout 1 server"),
    ("512", "", "reseg-probe one --size 512 --timeout 5 server"),
    ("drops", "--fault drop:every=3", 'stream-client "$RESEG_SERVER" 7 20000'),
    ("loss", "--loss 10", 'stream-client "$RESEG_SERVER" 7 20000'),
    ("black-hole", "--fault mtu-blackhole:bytes=564",
     "reseg-probe one --size 600 --timeout 2 server"),
    ("no-box", "--no-box", "reseg-probe one --size 1025 --timeout 5 server"),
    ("nothing", "", "true"),
    ("hostile", "", '/usr/bin/python3 -c "$TALK"'),
)
PAGES = [name for name, _, _ in RUNS] + ["replay"]


def execute(*command):
    """Prints what fails; the checks then fail without its files."""
    try:
        done = subprocess.run(command, env=dict(os.environ, TALK=TALK), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=RUN_SECONDS)
        problem = done.stderr if done.returncode > 1 else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    for line in problem.splitlines():
        print("# %s: %s" % (command[0], line), flush=True)


def make(run):
    name, options, command = run
    report = checks.folder / (name + ".html")
    execute("reseg-lab", *options.split(), "--capture", checks.folder / name, "--report", report,
            *(["--", "sh", "-c", command] if command else []))
    if name == "drops":	# as the box alone knows it
        execute("reseg-report", checks.folder / name / "box.pcapng", "-o", report)
    if name == "no-box":
        replayed = checks.folder / "replay.pcapng"
        execute("reseg-replay", "-o", replayed, checks.folder / name / "lab.pcapng")
        execute("reseg-report", replayed, "-o", checks.folder / "replay.html")
