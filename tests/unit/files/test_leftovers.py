"""Half-written files of processes that were killed go; those of others stay."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from limner.files import atomic, clear_leftovers, write_atomic


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """What a process leaves that is killed while it writes."""
    (tmp_path / "sub").mkdir()
    child = os.fork()
    if child == 0:
        atomic.os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[attr-defined]
        write_atomic(tmp_path / "sub" / "picture.png", b"half")
    os.waitpid(child, 0)
    (found,) = (tmp_path / "sub").iterdir()
    return found


def test_a_leftover_goes(tmp_path: Path, killed: Path) -> None:
    assert clear_leftovers([tmp_path]) == 0, "it may be another machine's"
    os.utime(killed, (time.time() - 100, time.time() - 100))
    assert clear_leftovers([tmp_path, tmp_path / "nothing"]) == 1
    assert not killed.exists()


def test_what_is_no_leftover_stays(tmp_path: Path) -> None:
    names = [f".{os.getpid()}-abc.part", "123-abc.part", ".hidden.part", ".4194999-x.png", "a.part"]
    for name in names:
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0))
    assert clear_leftovers([tmp_path]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
