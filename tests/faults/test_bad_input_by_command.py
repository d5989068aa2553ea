"""Bad input by the command line: the message names the node and the remedy, and the exit code says what it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limner.cli.main import status
from tests.faults.cases import CASES, Prompt, chain, good


def run(base: Path, prompt: Prompt) -> int:
    file = base / "workflow.json"
    file.write_text(json.dumps(prompt))
    return status(["run", str(file), "--base-directory", str(base), "--cpu"])


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_told(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES[name]
    case.files(tmp_path)
    code = run(tmp_path, case.prompt)
    told = capsys.readouterr().err
    assert code == (2 if case.rejected else 1), told
    assert "Traceback" not in told
    for word in case.says:
        assert word in told
    assert not (tmp_path / "sprung").exists()
    assert run(tmp_path, good()) == 0
    assert (tmp_path / "output" / "good_00001_.png").is_file()


def test_a_chain_of_ten_thousand_nodes_runs(tmp_path: Path) -> None:
    assert run(tmp_path, chain(10_000)) == 0
    assert (tmp_path / "output" / "chain_00001_.png").is_file()
