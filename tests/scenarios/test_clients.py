"""ComfyUI's clients from PyPI, as they are, against a live server; each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.live_server import LiveServer

CLIENTS = Path(__file__).parents[1] / "fixtures" / "clients"
NAMES = sorted(path.stem for path in CLIENTS.glob("*_client.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_client_runs_a_workflow_and_gets_its_picture(server: LiveServer, name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(CLIENTS / f"{name}.py"), server.url, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-4000:]}"


def test_there_are_clients() -> None:
    assert {"comfy_api_simplified_client", "comfy_script_client", "comfyui_workflow_client"}.issubset(NAMES)
