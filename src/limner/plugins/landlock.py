"""Landlock (Linux 5.13 and newer): which files this process may touch from now on, by the kernel.

    problem = confine(read=[Path("/usr")], write=[Path("/tmp/mine")])

What is not named is refused: reading and listing, writing, making and removing. It cannot be undone, and holds for all
processes that this one starts. Call it before there are other threads, as it binds the calling one.

The interface is the kernel's own (`linux/landlock.h`, https://docs.kernel.org/userspace-api/landlock.html).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, PATH_BENEATH = 1, 1
SET_NO_NEW_PRIVILEGES = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE = 1 << 4, 1 << 5
MAKE_ANY = 0b1111111 << 6
REFER, TRUNCATE = 1 << 13, 1 << 14
SIGNALS, ABSTRACT_SOCKETS = 1 << 1, 1 << 0

READING = EXECUTE | READ_FILE | READ_DIR
WRITING = READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_ANY
ON_FILES = EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE
"""What can be allowed for a file that is no folder."""


def version() -> int:
    """The version of the kernel's interface; 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    with contextlib.suppress(OSError):
        return _call(CREATE_RULESET, None, 0, VERSION_FLAG)
    return 0


def confine(read: Iterable[Path], write: Iterable[Path]) -> str:
    """Allow reading (and running) below `read`, everything below `write`; returns why not, or nothing when it holds."""
    known = version()
    if not known:
        return "this system has no Landlock"
    handled = WRITING | (REFER if known >= 2 else 0) | (TRUNCATE if known >= 3 else 0)
    scoped = SIGNALS | ABSTRACT_SOCKETS if known >= 6 else 0
    try:
        rules = _ruleset(handled, scoped)
        try:
            for path in write:
                _allow(rules, path, handled)
            for path in read:
                _allow(rules, path, READING)
            forbid_new_privileges()
            _call(RESTRICT_SELF, rules, 0)
        finally:
            os.close(rules)
    except OSError as error:
        return f"Landlock refused: {error.strerror}"
    return ""


def forbid_new_privileges() -> None:
    """What the kernel asks for before a process may confine itself. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _ruleset(handled: int, scoped: int) -> int:
    """`struct landlock_ruleset_attr`: file rights, network rights, scopes; older kernels know the first alone."""
    attributes = struct.pack("=QQQ", handled, 0, scoped) if scoped else struct.pack("=Q", handled)
    return _call(CREATE_RULESET, attributes, len(attributes), 0)


def _allow(rules: int, path: Path, rights: int) -> None:
    """`struct landlock_path_beneath_attr`. What does not exist need not be allowed."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        _call(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights if path.is_dir() else rights & ON_FILES, fd), 0)
    finally:
        os.close(fd)


def _call(number: int, *arguments: int | bytes | None) -> int:
    """A system call. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments]
    result = int(library.syscall(ctypes.c_long(number), *given))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
