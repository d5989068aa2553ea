"""Where a saved file goes: `PREFIX_00001_.png`, counted up per prefix, in ComfyUI's scheme.

The prefix may hold a subfolder and these tokens: `%width%` `%height%` `%year%` `%month%` `%day%` `%hour%` `%minute%`
`%second%`, `%date:yyyy-MM-dd hh.mm.ss%` (as the editor fills it in) and `%date%` (yyyy-MM-dd). `%batch_num%` is left
for the number of each picture of a batch. Line breaks and other control characters become underscores.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .errors import CannotWrite, UnsafeName
from .names import LONGEST_PART, checked

_DATE = re.compile(r"%date(?::([^%]+))?%")
_DATE_PART = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
_CONTROL = re.compile(r"[\x01-\x1f\x7f]")
_BATCH = "%batch_num%"
LONGEST_PREFIX = LONGEST_PART - 24
"""Bytes of a prefix's last part: the counter and the ending come behind it."""
DEFAULT_PREFIX = "ComfyUI"
"""Stands in for an empty prefix."""


@dataclass(frozen=True, slots=True)
class SavePath:
    """The next free place for a prefix.

    `folder` exists; `name` is the prefix's last part; `counter` the first free number; `subfolder` is relative to the
    root folder (`""` for the root itself); `prefix` the whole prefix with its tokens filled in.
    """

    folder: Path
    name: str
    counter: int
    subfolder: str
    prefix: str

    def file(self, number: int, suffix: str) -> str:
        """The name of the batch's picture `number` (from 0), with `suffix` such as ``.png``."""
        return f"{self.name.replace(_BATCH, str(number))}_{self.counter + number:05}_{suffix}"


def save_path(prefix: str, root: Path, width: int = 0, height: int = 0, *, now: datetime | None = None) -> SavePath:
    """The next free place for `prefix` below `root`, whose folder is made. Raises `UnsafeName`, `CannotWrite`."""
    filled = fill_tokens(prefix, width, height, now or datetime.now()) or DEFAULT_PREFIX
    if "\0" in filled:
        raise UnsafeName(f"the file name prefix {filled!r} holds a null character", "Remove it from the prefix")
    plain = _CONTROL.sub("_", filled)
    _check(plain)
    normal = os.path.normpath(plain)
    subfolder, name = os.path.split(normal)
    folder = Path(os.path.abspath(root / subfolder))
    inside = folder.is_relative_to(os.path.abspath(root)) and folder.resolve().is_relative_to(root.resolve())
    if not inside or name in ("", "..", "."):
        raise UnsafeName(
            f"the file name prefix {filled!r} does not lead to a file in {root}",
            "Use a prefix such as `portraits/cat`, without `..` and without a leading `/`",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = os.listdir(folder)
    except OSError as error:
        raise CannotWrite(
            f"the folder {folder} cannot be used: {error.strerror}", "Choose another prefix or output folder"
        ) from None
    return SavePath(folder, name, _highest(names, name) + 1, subfolder, filled)


def _check(prefix: str) -> None:
    """Refuse what no name may be, or lead to; what is put behind the prefix counts. Raises `UnsafeName`."""
    named = prefix.rstrip(". ")  # they do not stay at the end
    if named:
        checked(named)
    if len(os.fsencode(prefix.replace("\\", "/").rpartition("/")[2])) > LONGEST_PREFIX:
        raise UnsafeName(f"the file name prefix {prefix[:40]!r}... is too long", "Give a shorter one")


def fill_tokens(prefix: str, width: int, height: int, now: datetime) -> str:
    """The prefix with its tokens replaced, `%batch_num%` left."""
    if "%" not in prefix:
        return prefix
    values = {"width": str(width), "height": str(height), "year": str(now.year)}
    for name in ("month", "day", "hour", "minute", "second"):
        values[name] = f"{getattr(now, name):02}"
    for name, value in values.items():
        prefix = prefix.replace(f"%{name}%", value)
    return _DATE.sub(lambda match: _date(match.group(1) or "yyyy-MM-dd", now), prefix)


def _date(form: str, now: datetime) -> str:
    parts: dict[str, Callable[[], int]] = {
        "d": lambda: now.day,
        "M": lambda: now.month,
        "h": lambda: now.hour,
        "m": lambda: now.minute,
        "s": lambda: now.second,
    }

    def part(match: re.Match[str]) -> str:
        token = match.group()
        if token[0] in parts:
            return str(parts[token[0]]()).zfill(len(token))
        return {"yy": f"{now.year % 100:02}", "yyyy": str(now.year)}.get(token, token)

    return _DATE_PART.sub(part, form)


def _highest(names: list[str], name: str) -> int:
    """The highest counter among files `NAME_<counter>_...`, 0 where there is none."""
    pattern = r"\d+".join(map(re.escape, os.path.normcase(name).split(_BATCH)))
    numbered = re.compile(rf"{pattern}_(\d+)(?:_|$)")
    found = (numbered.match(os.path.normcase(candidate)) for candidate in names)
    return max((int(match.group(1)) for match in found if match), default=0)
