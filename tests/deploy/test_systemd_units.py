"""The units that ship, and those that `limner service install` writes, as systemd itself judges them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from limner.cli.main import status
from tools.units import FOLDER, PROGRAM, units

WORST = 2.0
"""The exposure that `systemd-analyze security` may find, of 10."""

analyzes = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(*arguments: str, runtime: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "SYSTEMD_COLORS": "0"}
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, env=environment)


def exposure(unit: Path, tmp_path: Path) -> float:
    done = analyze("security", "--offline=true", "--no-pager", str(unit), runtime=tmp_path)
    if "offline" in done.stderr:
        pytest.skip("this systemd cannot score a unit that it does not run")
    last = done.stdout.strip().splitlines()[-1]
    assert "Overall exposure level" in last, done.stdout + done.stderr
    return float(last.split(":")[1].split()[0])


def checked(unit: Path, tmp_path: Path, *flags: str) -> None:
    done = analyze(*flags, "verify", str(unit), runtime=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_files_are_what_the_command_would_write() -> None:
    there = {path: path.read_text("utf-8") for path in FOLDER.glob("*.service")}
    assert there == dict(units()), "write them anew with: python -m tools.units"


@analyzes
@pytest.mark.parametrize("path", units(), ids=lambda path: path.name)
def test_units_that_ship(path: Path, tmp_path: Path) -> None:
    here = tmp_path / path.name
    here.write_text(path.read_text("utf-8").replace(PROGRAM, sys.executable).replace("User=limner", "User=daemon"))
    checked(here, tmp_path)
    assert exposure(here, tmp_path) <= WORST


@analyzes
@pytest.mark.parametrize("flags", [[], ["--port", "443", "--listen", "--metrics-port"]], ids=["plain", "port 443"])
def test_units_for_this_machine(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / "pictures of Ann's, 100%"
    install = ["service", "install", "--dry-run", "--base-directory", str(base), *flags]
    assert status([*install, "--system", "--run-as", "daemon"]) == 0
    unit = tmp_path / "limner.service"
    unit.write_text(capsys.readouterr().out)
    checked(unit, tmp_path)
    assert exposure(unit, tmp_path) <= WORST + 0.3


@analyzes
def test_a_users_own_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["service", "install", "--dry-run", "--user", "--base-directory", str(tmp_path / "base")]) == 0
    unit = tmp_path / "limner.service"
    unit.write_text(capsys.readouterr().out)
    checked(unit, tmp_path, "--user")


@analyzes
def test_the_score_tells_units_apart(tmp_path: Path) -> None:
    """A unit that holds nothing back is found to be exposed: the score above is one of the unit, not of the machine."""
    unit = tmp_path / "open.service"
    unit.write_text(f"[Service]\nExecStart={sys.executable}\n")
    assert exposure(unit, tmp_path) > 8


def test_system_calls_that_packs_are_held_by_are_allowed() -> None:
    """`limner.plugins` confines packs by landlock and seccomp, which `@system-service` alone may lack."""
    allowed = json.dumps(
        [line for text in units().values() for line in text.splitlines() if "SystemCallFilter" in line]
    )
    for call in ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"):
        assert allowed.count(call) == len(units())
