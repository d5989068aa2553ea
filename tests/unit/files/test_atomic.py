from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from limner.files import CannotWrite, write_atomic, write_new


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomic(path, b"one")
    write_atomic(path, b"two")

    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["x"]
    assert path.stat().st_mode & 0o444 == 0o444 & ~_umask()


def test_a_file_that_is_there_is_left(tmp_path: Path) -> None:
    path = tmp_path / "x"

    assert write_new(path, b"one")
    assert not write_new(path, b"two")
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["x"]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(os, "link", refuse)

    assert write_new(tmp_path / "x", b"one")
    assert not write_new(tmp_path / "x", b"two")
    assert (tmp_path / "x").read_bytes() == b"one"


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(CannotWrite, match=r"No space.*Free some space"):
        write_atomic(tmp_path / "x", b"one")
    assert os.listdir(tmp_path) == []


def test_what_need_not_last_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)

    assert write_new(tmp_path / "a", b"one", durable=False)
    assert waited == []
    assert write_new(tmp_path / "b", b"two")
    assert len(waited) == 1


def test_names_too_long_and_folders_that_are_gone(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="shorter"):
        write_new(tmp_path / ("x" * 300), b"")
    with pytest.raises(CannotWrite):
        write_atomic(tmp_path / "gone" / "x", b"")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
