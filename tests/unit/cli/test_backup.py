"""`limner backup` and `limner restore`."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.accounts import Accounts
from limner.cli.main import status
from limner.database import Lock


@pytest.fixture
def base(tmp_path: Path) -> Path:
    accounts = Accounts(tmp_path / "base" / "user" / "limner" / "accounts.sqlite")
    accounts.add("ann", None)
    accounts.close()
    return tmp_path / "base"


def test_a_backup_is_written_and_restored(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status(["backup", "--base-directory", str(base)]) == 0
    told = capsys.readouterr()
    made = Path(told.out.strip())
    assert made.parent == tmp_path and made.is_file() and "keep it safe" in told.err
    assert status(["restore", made.name, "--base-directory", str(base)]) == 0
    told = capsys.readouterr()
    assert "1 files are back" in told.out and "kept as" in told.err
    assert status(["restore", str(made), "--base-directory", str(tmp_path / "other")]) == 0
    assert (tmp_path / "other" / "user" / "limner" / "accounts.sqlite").is_file()


def test_what_cannot_be_done_says_why(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["restore", str(tmp_path / "nothing"), "--base-directory", str(base)]) == 2
    assert "there is no file" in capsys.readouterr().err
    assert status(["backup", str(tmp_path / "b"), "--base-directory", str(base)]) == 0
    assert status(["backup", str(tmp_path / "b"), "--base-directory", str(base)]) == 1
    assert "another name" in capsys.readouterr().err
    lock = Lock(base / "user" / "limner" / "server-8188.lock")
    assert status(["restore", str(tmp_path / "b"), "--base-directory", str(base)]) == 1
    assert "another server" in capsys.readouterr().err
    lock.close()
