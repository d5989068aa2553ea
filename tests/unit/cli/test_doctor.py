"""`limner doctor` as a user reads it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from limner.app.doctor import devices
from limner.cli.main import status

DEVICE = {"name": "cpu", "type": "cpu", "problem": "", "free": 0, "total": 0}
TORCH = {
    "version": "2.9",
    "cuda": None,
    "hip": None,
    "available": False,
    "problem": "",
    "threads": 2,
    "devices": [DEVICE],
}


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch says of itself is tested elsewhere, and takes seconds."""
    monkeypatch.setattr(devices, "probed", lambda: TORCH)


def test_sections_lines_and_remedies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["doctor", "--base-directory", str(tmp_path), "--port", "0"]) == 0
    text = capsys.readouterr().out
    for section in (
        "Versions",
        "Devices and drivers",
        "Folders and permissions",
        "Models",
        "Packs",
        "Ports and logins",
    ):
        assert f"{section}\n" in text
    lines = text.splitlines()
    position = next(number for number, line in enumerate(lines) if line.split()[:2] == ["note", "packs"])
    assert lines[position + 1].strip() == "→ Get one with: limner packs install SOURCE"
    assert lines[-1].startswith("Found ") and "problem" not in lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_problem_is_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert status(["doctor", "--base-directory", str(tmp_path), "--port", port]) == 1
    told = capsys.readouterr()
    assert "FAIL" in told.out and f"port {port}" in told.out and "--port" in told.out
    assert "1 problem must be solved" in told.err


def test_json_has_every_line_and_a_remedy_for_each_that_is_not_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["doctor", "--json", "--base-directory", str(tmp_path), "--port", "0"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {line["section"] for line in told} >= {"Versions", "Models", "Packs"}
    assert all(line["remedy"] for line in told if line["level"] != "ok")
    assert all(line["what"] and line["found"] for line in told)


def test_a_bad_yaml_of_model_paths_is_a_problem_of_the_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "extra_model_paths.yaml").write_text("[broken")
    assert status(["doctor", "--base-directory", str(tmp_path)]) == 1
    assert "extra_model_paths.yaml" in capsys.readouterr().out
