"""The folder in which ComfyUI's engine tests run, made of a checkout."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "execution_suite.py"
TEST = """\
import json, os, subprocess

def test_it(pytestconfig):
    found = subprocess.run(["python", "main.py", "--help"], capture_output=True, text=True)
    assert "--cache-lru" in found.stdout, found.stderr
    assert pytestconfig.getoption("port") > 0
    assert not [name for name in os.environ if name.startswith("LIMNER_")]
"""
CONFTEST = "def pytest_addoption(parser):\n    parser.addoption('--port', type=int)\n"


@pytest.fixture
def suite() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execution_suite", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_main_is_limner_serve_and_the_checkout_stays_as_it_is(tmp_path: Path) -> None:
    tests = tmp_path / "tests" / "execution"
    tests.mkdir(parents=True)
    (tmp_path / "comfy_execution").mkdir()
    (tmp_path / "tests" / "__init__.py").write_text("")
    (tmp_path / "tests" / "conftest.py").write_text(CONFTEST)
    (tests / "test_it.py").write_text(TEST)
    before = sorted(tmp_path.rglob("*"))
    environment = {**os.environ, "LIMNER_PORT": "1"}
    command = [sys.executable, SCRIPT, tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_no_checkout(suite: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert suite.main([str(tmp_path)]) == 2
    assert "make test-execution COMFYUI=" in capsys.readouterr().err
