#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later

"""
One end of a lab: makes a private instance of a mail server, and runs it.

reseg-mta runs this in a mount namespace of its own, on the client to send and on the server to
receive: host.py FILE, where FILE has the job as JSON (see end_of_lab() in cell.py). What it writes
for others to read goes to `out`, a folder outside the lab."""

import json
import os
import select
import signal
import subprocess
import sys
import time

# A folder that every user can reach and that any Linux has. All of an instance is in it, and is
# gone with this mount namespace.
WORK = "/mnt"
FIRST_ID = 300	# of the first user that a mail server needs; the others follow
END_USAGE = 2
CLOSE_TRIES = 25
# For receivers: note [--message FILE] FROM TO... notes that a message was taken, and keeps it for
# comparison; FILE - is standard input. Commas between addresses do no harm.
NOTE = """#!/bin/sh
set -e
saved=
if [ "$1" = --message ]; then
	mkdir -p "$out/messages"
	saved=$(mktemp "$out/messages/XXXXXX")
	cat -- "$2" >"$saved"
	saved=${saved##*/}
	shift 2
fi
from=$1
shift
to=$(printf '%s' "$*" | sed 's/,* /", "/g')
printf '{"event": "message", "from": "%s", "to": ["%s"], "saved": "%s"}\\n' \\
	"$from" "$to" "$saved" >>"$received"
"""


def mount(*arguments):
    run = subprocess.run(["mount", *arguments], stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        give_up("mount %s: %s" % (" ".join(arguments), run.stderr.strip().split("\n")[0]))


def give_up(reason):
    print(reason, file=sys.stderr)
    sys.exit(END_USAGE)


def mapped_ids():
    """How many user ids there are here."""
    with open("/proc/self/uid_map", encoding="ascii") as lines:
        return sum(int(line.split()[2]) for line in lines)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    # Postfix waits until its configuration is some seconds old.
    os.utime(path, (0, 0))


def fill_in(text, values):
    for key, value in values.items():
        text = text.replace("@%s@" % key, value)
    return text


def accounts(job):
    """Adds users and groups to copies of the files from outside."""
    for name, entry in (("passwd", "%s:x:%d:%d::/nonexistent:/bin/sh\n"), ("group", "%s:x:%d:\n")):
        with open("/etc/" + name, encoding="utf-8") as file:
            kept = [line for line in file if line.split(":")[0] not in job["users"]]
        for i, user in enumerate(job["users"]):
            kept.append(entry % ((user, FIRST_ID + i, FIRST_ID + i)[:entry.count("%")]))
        write(WORK + "/etc/" + name, "".join(kept))


def hosts():
    """The lab's /etc/hosts, with names that a mail server takes for fully qualified ones."""
    with open("/etc/hosts", encoding="utf-8") as file:
        lines = file.read()
    for name in ("client", "server"):
        lines = lines.replace(" %s\n" % name, " %s.example %s\n" % (name, name))
        lines = lines.replace("\t%s\n" % name, "\t%s.example %s\n" % (name, name))
    write(WORK + "/etc/hosts", lines)


def put_over_etc():
    """
    Gives /etc the files in WORK/etc, and links to all others. (An overlay would do, but not for an
    ordinary user in a container, where files in /etc are mounted.)
    """
    outside = WORK + "/outside-etc"
    os.mkdir(outside)
    mount("--rbind", "/etc", outside)
    # Nobody must write to it through one of the links.
    mount("-o", "remount,bind,ro", outside)
    ours = set(os.listdir(WORK + "/etc"))
    for name in set(os.listdir("/etc")) - ours:
        os.symlink(outside + "/" + name, WORK + "/etc/" + name)
    mount("--bind", WORK + "/etc", "/etc")


def prepare(job):
    values = job["values"]
    if job["needs_users"] and mapped_ids() < 2:
        give_up(
            "%s changes users, and there is only one here: run as root, or give this user sub-ids "
            "(newuidmap, /etc/subuid)" % job["mta"])
    # The tmpfs that is mounted on WORK hides what is there outside, so this comes first.
    if job["tree"]:
        mount("-t", "overlay", "overlay", "-o", "lowerdir=%s/usr:/usr" % job["tree"], "/usr")
    if job["binary"]:
        mount("--bind", job["binary"], job["program"])
    sink = b""
    if job["sink"]:
        with open(job["sink"], "rb") as file:
            sink = file.read()
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", WORK)
    if sink:
        with open(WORK + "/reseg-sink", "wb") as file:
            file.write(sink)
        os.chmod(WORK + "/reseg-sink", 0o755)
    os.mkdir(values["out"])
    # The folder outside may be accessible only to its owner. Its path may be hidden by now.
    mount("--no-canonicalize", "--bind", ".", values["out"])
    accounts(job)
    hosts()
    write(WORK + "/note", NOTE)
    os.chmod(WORK + "/note", 0o755)
    for path, text in job["files"].items():
        write(path if path.startswith(WORK) else WORK + path, fill_in(text, values))
    put_over_etc()
    for folder in job["tmpfs"]:
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    os.chdir(WORK)
    # Drop the user's own settings.
    os.environ.clear()
    os.environ.update(values, PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME=WORK, LC_ALL="C")


def shell(job, name):
    """The command for a script of the description, which gets `values` as variables."""
    return ["sh", "-eu", "-c", job["scripts"][name], name]


def run(job, name, output, **options):
    return subprocess.run(shell(job, name), stdin=subprocess.DEVNULL, stderr=output,
                          **{"stdout": output, **options})


def is_closed():
    """Have all connections of this host ended, at both ends?"""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(path, encoding="ascii") as lines:
            # TIME_WAIT, CLOSE, LISTEN
            if any(line.split()[3] not in ("06", "07", "0A") for line in list(lines)[1:]):
                return False
    return True


def wait_for_close():
    """What the sender wrote last may still be on its way. After a stall it never arrives."""
    for _ in range(CLOSE_TRIES):
        if is_closed():
            return
        time.sleep(0.02)	# nothing reports it


def run_within(job, name, output, seconds):
    """The exit status; None if it did not end in time, and was ended with all that it started."""
    process = subprocess.Popen(shell(job, name), stdin=subprocess.DEVNULL, stdout=output,
                               stderr=output, start_new_session=True)
    # Not process.wait(seconds), which polls 20 times a second.
    if select.select([os.pidfd_open(process.pid)], [], [], seconds)[0]:
        return process.wait()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return None


def send(job):
    out = job["values"]["out"]
    result = {"queued": None}
    with open(out + "/output", "wb") as output:
        for name in ("network", "setup"):
            if name in job["scripts"] and run(job, name, output).returncode != 0:
                give_up("the %s script failed" % name)
        result["status"] = run_within(job, "send", output, job["limit_s"])
        result["ended"] = time.time()
        if job["for_s"]:
            end = time.monotonic() + job["for_s"]
            run_within(job, "keep_trying", output, job["for_s"])
            time.sleep(max(0, end - time.monotonic()))
        wait_for_close()
        if "queue" in job["scripts"]:
            queue = run(job, "queue", output, stdout=subprocess.PIPE, text=True)
            result["queued"] = queue.stdout.split()
    write(out + "/result.json", json.dumps(result))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    os.chdir(job["out"])
    prepare(job)
    if "send" in job["scripts"]:
        send(job)
    else:
        # It is asked to end by a signal, and whatever it started ends with the lab.
        os.execvp("sh", shell(job, "serve"))


if __name__ == "__main__":
    main()
