# SPDX-License-Identifier: GPL-2.0-or-later

"""
Mail servers from Debian's packages, side by side: each is unpacked into a folder of its own, with
the libraries that this machine lacks. Nothing is installed.
"""

import os
import pathlib
import shutil
import subprocess

from description import Problem


def apt(*command, cwd=None):
    if shutil.which(command[0]) is None:
        raise Problem(
            "fetching mail servers needs %s, which is not here: unpack them by other means, or "
            "use --binary" % command[0])
    # Another apt may be at work: wait for it.
    wait = ["-o", "DPkg::Lock::Timeout=300"] if command[0].startswith("apt") else []
    run = subprocess.run([command[0], *wait, *command[1:]],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
                         env={**os.environ, "LC_ALL": "C"})
    if run.returncode != 0:
        raise Problem("%s failed (is apt-get update due?): %s" %
                      (" ".join(command[:2]), run.stdout.strip()[-200:]))
    return run.stdout


def is_unpacked(mta, trees):
    """Is it there, and from the packages that its description names now?"""
    if not mta.packages:
        return True
    try:
        return (trees / mta.name / "packages").read_text(encoding="ascii").split() == mta.packages
    except OSError:
        return False


def download(packages, folder):
    plan = apt("apt-get", "install", "--simulate", "--no-install-recommends", *packages)
    missing = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    apt("apt-get", "download", *sorted({*packages, *missing}), cwd=folder)


def unpack(mta, trees):
    """Downloads and unpacks. A folder exists only once it is complete."""
    tree = trees / mta.name
    part = trees / (mta.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    debs = part / "debs"
    debs.mkdir(parents=True)
    try:
        download(mta.packages, debs)
    except Problem:
        # The list of packages may be old, or there may be none yet.
        if os.geteuid() != 0:
            raise
        apt("apt-get", "update")
        download(mta.packages, debs)
    # Packages still have files for /lib and /sbin, which are links.
    for folder in ("bin", "lib", "lib64", "sbin"):
        (part / "usr" / folder).mkdir(parents=True)
        (part / folder).symlink_to("usr/" + folder)
    versions = []
    for deb in sorted(debs.glob("*.deb")):
        apt("dpkg-deb", "--extract", str(deb), str(part))
        versions.append(
            apt("dpkg-deb", "--show", "--showformat", "${Package} ${Version}\n", str(deb)))
    # With setuid bits the dynamic linker ignores a user's library path, and nobody needs them here.
    for path in pathlib.Path(part).rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o777)
    shutil.rmtree(debs)
    (part / "versions").write_text("".join(versions), encoding="ascii")
    (part / "packages").write_text("\n".join(mta.packages) + "\n", encoding="ascii")
    shutil.rmtree(tree, ignore_errors=True)
    part.rename(tree)


def version(mta, trees):
    """The version of the package that has the server; empty if it comes with reseg."""
    if not mta.packages or not is_unpacked(mta, trees):
        return ""
    for line in (trees / mta.name / "versions").read_text(encoding="ascii").splitlines():
        package, number = line.split()
        if package == mta.packages[0]:
            return number
    return ""
