"""Folders and files as the doctor finds them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from limner.app.doctor import Finding, Level, permissions
from limner.app.folders import folders_of
from limner.settings import resolve


def looked(base: Path, **given: object) -> Mapping[str, Finding]:
    settings = resolve({"base_directory": str(base), **given}, {})
    return {finding.what: finding for finding in permissions.findings(settings, folders_of(settings))}


def test_a_new_base_directory_is_well_and_nothing_is_made(tmp_path: Path) -> None:
    base = tmp_path / "deep" / "base"
    found = looked(base)
    assert found["output folder"].level is Level.OK and str(base / "output") in found["output folder"].found
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_a_problem_with_its_flag(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("")
    found = looked(tmp_path)["output folder"]
    assert found.level is Level.PROBLEM and "no folder" in found.found and "--output-directory" in found.remedy


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    found = permissions.writable("temp folder", tmp_path, "choose another with --temp-directory")
    assert found.level is Level.PROBLEM and "Permission denied" in found.found
    assert str(tmp_path) in found.remedy and "--temp-directory" in found.remedy


def test_a_disk_that_is_almost_full_is_told_once_for_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**30, total=2**40))
    found = looked(tmp_path)["disk"]
    assert found.level is Level.WARNING and "output" in found.found and "user" in found.found and found.remedy


def test_a_damaged_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "user" / "limner"
    folder.mkdir(parents=True)
    whole = sqlite3.connect(folder / "whole.sqlite")
    whole.execute("CREATE TABLE t (a)")
    whole.commit()
    whole.close()
    (folder / "server-8188.sqlite").write_bytes(b"no database " * 1000)
    found = looked(tmp_path)
    assert found["server-8188.sqlite"].level is Level.WARNING and "whole.sqlite" not in found
    assert (folder / "server-8188.sqlite").read_bytes() == b"no database " * 1000


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_logins_that_others_can_open_are_told(tmp_path: Path) -> None:
    file = tmp_path / "user" / "limner" / "accounts.sqlite"
    file.parent.mkdir(parents=True)
    sqlite3.connect(file).close()
    file.chmod(0o644)
    assert looked(tmp_path)["logins"].remedy == f"chmod 600 {file}"
    file.chmod(0o600)
    assert "logins" not in looked(tmp_path)
