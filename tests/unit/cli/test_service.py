"""`limner service` as a user sees it; a program in place of systemctl writes down what it is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from limner.app.service import systemd
from limner.cli.main import status

ASKED = """#!/bin/sh
echo "$@" >> {log}
case "$*" in *" show "*|show*) echo ActiveState={state}; echo SubState=running;; esac
exit 0
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Call it with a state to set what systemctl says from then on; it gives what systemctl was asked."""
    programs = tmp_path / "programs"
    programs.mkdir()
    log = tmp_path / "asked"
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(systemd, "RUNNING", tmp_path)
    monkeypatch.setattr(systemd, "SETTLING", 0.3)

    def ask(state: str) -> list[str]:
        told = log.read_text().splitlines() if log.exists() else []
        for name, text in (("systemctl", ASKED.format(log=log, state=state)), ("journalctl", "#!/bin/sh\necho why\n")):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        return told

    ask("active")
    return ask


def test_installed_looked_at_and_taken_away(
    asked: Callable[[str], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    install = ["service", "install", "--user", "--base-directory", str(base), "--port", "9000"]
    assert status(install) == 0
    told = capsys.readouterr()
    unit = tmp_path / "config" / "systemd" / "user" / "limner.service"
    assert told.out.strip() == str(unit) and "enable-linger" in told.err and "journalctl --user" in told.err
    assert f"serve --base-directory {base} --port 9000" in unit.read_text() and base.is_dir()
    assert asked("active")[:3] == [
        "--user daemon-reload",
        "--user enable limner.service",
        "--user restart limner.service",
    ]
    assert status(["service", "status", "--user"]) == 0
    assert status(install) == 0, "installed anew"
    assert status(["service", "uninstall", "--user"]) == 0
    assert not unit.exists() and base.is_dir()
    assert "--user disable --now limner.service" in asked("active")
    assert status(["service", "uninstall", "--user"]) == 2
    assert status(["service", "status", "--user"]) == 1


def test_one_that_does_not_stay_up_is_stopped_and_says_why(
    asked: Callable[[str], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked("failed")
    install = ["service", "install", "--user", "--base-directory", str(tmp_path / "base")]
    assert status(install) == 2
    assert "did not stay up:\nwhy" in capsys.readouterr().err and "--user stop limner.service" in asked("failed")
    assert status(["service", "status", "--user"]) == 1
    assert status([*install, "--no-start"]) == 0


def test_anothers_unit_is_left_alone(
    asked: Callable[[str], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unit = tmp_path / "config" / "systemd" / "user" / "limner.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    for command in (["install", "--base-directory", str(tmp_path / "base")], ["uninstall"]):
        assert status(["service", *command, "--user"]) == 2
        assert "not written by limner" in capsys.readouterr().err
    assert unit.read_text() == "[Service]\nExecStart=/bin/true\n" and asked("active") == []


def test_dry_runs_change_nothing(
    asked: Callable[[str], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    assert (
        status(["service", "install", "--dry-run", "--system", "--run-as", "nobody", "--base-directory", str(base)])
        == 0
    )
    told = capsys.readouterr().out
    assert told.startswith("[Unit]\n") and "User=nobody" in told and f"ReadWritePaths={base}" in told
    assert not base.exists() and asked("active") == [] and not (tmp_path / "config").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--user", "--run-as", "nobody"], "--run-as"),
        (["--user", "--system"], "cannot both be"),
        (["--user", "--name", "a/b"], "no name of a service"),
        (["--system", "--run-as", "nobody-of-this-name"], "no user"),
        (["--user", "--port", "99999"], "--port"),
    ],
)
def test_bad_input(
    arguments: list[str], said: str, asked: Callable[[str], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["service", "install", *arguments]) == 2
    assert said in capsys.readouterr().err and asked("active") == []


def test_without_systemd(
    asked: Callable[[str], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(systemd, "RUNNING", tmp_path / "nothing")
    assert status(["service", "install", "--user", "--base-directory", str(tmp_path / "base")]) == 2
    assert "--dry-run" in capsys.readouterr().err and not (tmp_path / "base").exists()
