"""What a process that was killed while it wrote has left: hidden files beside the place they were meant for."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

AGE_SECONDS = 60.0
"""A file that was touched so lately is another process's, whose number may mean nothing here (in a container)."""
_UNFINISHED = re.compile(r"\.(\d+)-\w+\.part")


def unfinished_prefix() -> str:
    """What the names of this process's unfinished files begin with; they end in `.part`."""
    return f".{os.getpid()}-"


def clear_leftovers(folders: Iterable[Path], *, age: float = AGE_SECONDS, below: bool = True) -> int:
    """Delete the unfinished files of processes that are gone, in these folders (and `below`); how many there were.

    `age`: seconds for which nobody has touched them. A caller whose lock keeps others from writing there needs none.
    """
    cleared, now = 0, time.time()
    for folder in folders:
        for root, inner, names in os.walk(folder):
            if not below:
                inner.clear()
            for name in names:
                found = _UNFINISHED.fullmatch(name)
                if found is None or process_lives(int(found[1])):
                    continue
                with contextlib.suppress(OSError):
                    path = os.path.join(root, name)
                    if now - os.stat(path).st_mtime >= age:
                        os.unlink(path)
                        cleared += 1
    return cleared


def process_lives(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
