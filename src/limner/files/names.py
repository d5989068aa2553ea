"""Names that come from outside: what they may look like, and how they become paths.

A name is relative, and stays below its folder: no `..`, no root, no drive, no NUL, no control characters, no device's
name of any system, no dot or space at the end of a part (which Windows leaves out). Annotated names say which of the
folders they are in: `picture.png [output]`; without one it is the input folder.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from .errors import UnsafeName

_ANNOTATION = re.compile(r"\s?\[(input|output|temp)\]$")
_DRIVE = re.compile(r"^[A-Za-z]:")
_DEVICES = frozenset(
    {
        *("con", "prn", "aux", "nul", "conin$", "conout$"),
        *(f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"),
    }
)
LONGEST_PART, LONGEST_PATH = 255, 2048
"""Bytes of a file's or folder's own name, and of all names with the slashes between them."""
_RELATIVE = "Give a name relative to its folder, such as `subfolder/name.png`"


def split_annotation(name: str) -> tuple[str, str | None]:
    """``"x.png [output]"`` -> ``("x.png", "output")``; ``"x.png"`` -> ``("x.png", None)``."""
    match = _ANNOTATION.search(name)
    return (name[: match.start()], match.group(1)) if match else (name, None)


def checked(name: str) -> str:
    """The name, if it can only lead to something below its folder. Raises `UnsafeName`."""
    if not name or name.isspace():
        raise UnsafeName("the file name is empty", "Give the name of a file")
    if any(ord(character) < 32 or character == "\x7f" for character in name):
        raise UnsafeName(f"the file name {name!r} holds control characters", "Rename the file without them")
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        raise UnsafeName(f"the file name {name!r} is not text", "Rename the file, or send its name in UTF-8") from None
    if len(encoded) > LONGEST_PATH or any(len(part) > LONGEST_PART for part in encoded.split(b"/")):
        raise UnsafeName(f"the file name {name[:40]!r}... is too long", "Give a shorter name")
    parts = re.split(r"[\\/]", name)
    if name.startswith(("/", "\\", "~")) or _DRIVE.match(name):
        raise UnsafeName(f"the file name {name!r} is an absolute path", _RELATIVE)
    if any(part.partition(".")[0].rstrip().lower() in _DEVICES for part in parts):
        raise UnsafeName(f"the file name {name!r} is that of a device on some systems", "Give another name")
    if all(part in ("", ".") for part in parts):
        raise UnsafeName(f"the file name {name!r} is that of the folder itself", "Give the name of a file in it")
    if ".." in parts:
        raise UnsafeName(f"the file name {name!r} leads out of its folder", _RELATIVE)
    if any(part != "." and part.endswith((".", " ")) for part in parts):
        raise UnsafeName(f"the file name {name!r} has a dot or a space at its end", "Give a name without it")
    return name


def below(folder: Path, name: str) -> Path:
    """The path of `name` in `folder`; it need not exist.

    A symbolic link that leads out of the folder is refused. Raises `UnsafeName`.
    """
    path = folder / checked(name)
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a loop of links
        inside = False
    if not inside:
        raise UnsafeName(
            f"{name!r} is a link that leads out of {folder}", "Copy the file into the folder in place of the link"
        )
    return path
