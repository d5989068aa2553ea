"""Versions as the doctor finds them."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from limner import __version__
from limner.app.doctor import Level, versions


def test_this_environment_has_what_limner_needs(tmp_path: Path) -> None:
    found = {finding.what: finding for finding in versions.findings(tmp_path)}
    assert found["Limner"].found.startswith(__version__) and found["packages"].level is Level.OK
    assert "torch" in found["packages"].found


def test_what_is_missing_or_too_old_is_told_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["no-such-package>=2", "packaging<1", "psutil>=1", "none; extra == 'cluster'"]
    monkeypatch.setattr(versions, "requires", lambda package: lines)
    found = {finding.what: finding for finding in versions.findings(tmp_path)}
    assert found["no-such-package"].level is Level.PROBLEM
    assert found["no-such-package"].remedy == "pip install 'no-such-package>=2'"
    assert found["packaging"].level is Level.WARNING and "<1" in found["packaging"].found
    assert "psutil" not in found and "none" not in found and "packages" not in found


def test_little_memory_and_no_git_are_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=2**31, available=2**30))
    found = {finding.what: finding for finding in versions.findings(tmp_path)}
    assert found["git"].level is found["memory"].level is Level.NOTE
    assert found["git"].remedy and found["memory"].remedy
