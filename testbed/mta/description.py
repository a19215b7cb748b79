# SPDX-License-Identifier: GPL-2.0-or-later

"""The descriptions of mail servers. docs/mta.md says what they may contain."""

import dataclasses
import difflib
import pathlib
import re
import tomllib
from dataclasses import field

# How the envelope was sent; see style() in wire.py.
STYLES = ["", "together", "with-hello", "with-text", "first-line", "one-command", "records"]


class Problem(Exception):
    """One line for the user that says what to do."""


@dataclasses.dataclass
class Workaround:
    """Something that can be done about the box."""
    summary: str
    settings: dict = field(default_factory=dict)	# in place of the sender's
    wire: str = ""		# the style that the capture must show
    needs: list = field(default_factory=list)		# EHLO keywords that the receiver must offer
    without: list = field(default_factory=list)		# and that it must not
    network: str = ""		# a script for the client's network
    also: list = field(default_factory=list)		# sizes to which it moves the stall
    size_of: str = ""		# whose envelope counts for the size, if this one changes it

    def __post_init__(self):
        if self.wire not in STYLES:
            raise Problem("wire must be one of %s" % ", ".join(STYLES[1:]))


NONE = Workaround("as it comes")


@dataclasses.dataclass(kw_only=True)
class Part:
    """What any instance needs."""
    needs_users: bool = False
    settings: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    tmpfs: list = field(default_factory=list)


@dataclasses.dataclass(kw_only=True)
class Sender(Part):
    """How to make an instance send one message, and how to see what came of it."""
    send: str
    setup: str = ""
    queue: str = ""		# prints each address for which it still has a message
    log: str = "output"
    deferred: str = ""		# regular expressions for lines of the log; a group is the reason
    bounced: str = ""
    permanent: list = field(default_factory=list)	# exit statuses of `send` that mean bounced
    # For --real-timeouts: how many seconds it waits by default for a reply to MAIL or RCPT (0: for
    # ever), where that is documented, and settings in place of the others.
    default_timeout: int = 0
    default_source: str = ""
    real: dict = field(default_factory=dict)
    keep_trying: str = ":"	# a script for --for: its queue runner, as the package has it
    pipelines: bool = False
    group: str = ""		# ignored: older descriptions have it, but now the capture shows it
    max_recipients: int = 0	# of one transaction; 0: any number
    repeat_until: str = ""	# its writes share segments by chance: try until this style
    workarounds: dict = field(default_factory=dict)


@dataclasses.dataclass(kw_only=True)
class Receiver(Part):
    """How to run an instance that takes mail for anybody."""
    serve: str
    # EHLO keywords that it offers without settings, in lower case
    offers: list = field(default_factory=list)
    extra: dict = field(default_factory=dict)		# settings that add one
    without: dict = field(default_factory=dict)		# settings that take one away


@dataclasses.dataclass
class Mta:
    summary: str
    name: str = ""
    packages: list = field(default_factory=list)	# Debian's; none: it comes with reseg
    program: str = ""		# what --binary replaces
    users: list = field(default_factory=list)		# and groups
    files: dict = field(default_factory=dict)		# for both parts
    sender: Sender = None
    receiver: Receiver = None


KINDS = {str: "a text", list: "a list", dict: "a table", bool: "true or false", int: "a number"}


def make(kind, table, where, **more):
    """An object made of a table, whose keys are checked first."""
    if not isinstance(table, dict):
        raise Problem("%s must be a table" % where)
    fields = {one.name: one for one in dataclasses.fields(kind)}
    for key, value in table.items():
        if key not in fields or key in more:
            near = difflib.get_close_matches(key, fields.keys() - more.keys(), 1)
            raise Problem("%s has no key \"%s\"%s" %
                          (where, key, ": is it \"%s\"?" % near[0] if near else ""))
        wanted = fields[key].type
        # A sender or receiver is still a table here.
        wanted = wanted if wanted in KINDS else dict
        if type(value) is not wanted:
            raise Problem("%s: %s must be %s" % (where, key, KINDS[wanted]))
    for name, one in fields.items():
        lacks = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if lacks and name not in table and name not in more:
            raise Problem("%s lacks the key \"%s\"" % (where, name))
    return kind(**table, **more)


def load_workarounds(table, where=""):
    return {
        name: make(Workaround, workaround, "[%s%s]" % (where, name))
        for name, workaround in table.items()
    }


def read(path):
    """Reads one file as a table, for `load` to make something of."""
    if not path.is_file():
        raise Problem("it is not a regular file")
    with open(path, "rb") as file:
        return tomllib.load(file)


def load_mta(path):
    mta = make(Mta, read(path), "the file", name=path.stem)
    if mta.sender is not None:
        mta.sender = make(Sender, mta.sender, "[sender]")
        mta.sender.workarounds = load_workarounds(mta.sender.workarounds, "sender.workarounds.")
        for name in ("deferred", "bounced"):
            try:
                re.compile(getattr(mta.sender, name))
            except re.error as error:
                raise Problem("[sender]: %s is not a regular expression: %s" %
                              (name, error)) from error
        for workaround in mta.sender.workarounds.values():
            if workaround.size_of not in ("", "none", *mta.sender.workarounds):
                raise Problem("there is no work-around %s for size_of" % workaround.size_of)
    if mta.receiver is not None:
        mta.receiver = make(Receiver, mta.receiver, "[receiver]")
    return mta


def load(folders):
    """
    Reads all of these folders: servers by name, and the work-arounds for any of them. A later one
    overrides.
    """
    mtas, common = {}, {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).glob("*.toml")):
            try:
                if path.stem == "workarounds":
                    common.update(load_workarounds(read(path)))
                else:
                    mtas[path.stem] = load_mta(path)
            except OSError as error:
                raise Problem("%s: %s" % (path, error.strerror)) from error
            except (ValueError, TypeError, AttributeError, Problem) as error:
                raise Problem("%s: %s" % (path, error)) from error
    return mtas, common
