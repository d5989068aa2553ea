"""Whatever happens in a command ends in a message and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from limner import __version__
from limner.cli import nodes
from limner.cli.errors import BadInput, RunFailed
from limner.cli.main import INTERRUPTED, main, status


def broken(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (BadInput("the width is wrong", "Make it smaller"), 2, "Bad input: the width is wrong\nMake it smaller\n"),
        (RunFailed("node 3: no memory"), 1, "Failed: node 3: no memory\n"),
        (RuntimeError("oops [bold]"), 1, "Failed: RuntimeError: oops [bold]\n"),
        (KeyboardInterrupt(), INTERRUPTED, ""),
    ],
)
def test_failures_are_said_without_a_traceback(
    error: BaseException, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nodes, "command", broken(error))
    assert status(["nodes"]) == code
    told = capsys.readouterr()
    assert says in told.err
    assert "Traceback" not in told.err and told.out == ""


def test_the_traceback_of_a_mistake_of_ours_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(verbose: str = "") -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr(nodes, "command", command)
    with pytest.raises(RuntimeError, match="oops"):
        status(["nodes", "--verbose", "DEBUG"])


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for command in ("generate", "run", "serve", "nodes", "validate", "convert"):
        assert command in out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["--version"]) == 0
    assert capsys.readouterr().out == f"limner {__version__}\n"


@pytest.mark.parametrize("flags", [["--base-directory", "file/here"], ["--output-directory", "file/there"]])
def test_folders_that_cannot_be_made_are_bad_input(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "file").write_text("")
    (tmp_path / "w.json").write_text('{"1": {"class_type": "EmptyImage", "inputs": {}}}')
    assert status(["run", "w.json", *flags]) == 2
    assert "cannot be made" in capsys.readouterr().err
