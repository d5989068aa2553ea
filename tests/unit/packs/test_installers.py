"""`pip`, as packs that share a host call it: beside Limner's packages, and never among them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.wheels import wheel

Host = Callable[[str], str]
BEFORE = """
import os, subprocess, sys
from pathlib import Path
from limner.packs.installers import take_over
take_over(Path(sys.argv[1]))
def pip(*words, python=sys.executable):
    return subprocess.call([python, "-m", "pip", *words])
"""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "pip"


@pytest.fixture
def host(shop: Path, target: Path) -> Host:
    """Run code as a pack in a host, which has taken pip over; what it printed."""

    def run(code: str) -> str:
        command = [sys.executable, "-c", BEFORE + code, str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def test_what_it_installs_is_there_at_once_and_beside_limners(host: Host, target: Path) -> None:
    told = host("assert pip('install', '-U', 'tool', 'numpy') == 0\nimport tool, gadget\nprint(gadget.__file__)\n")
    assert f"installed beside Limner's packages, in {target}: gadget==1.0 tool==1.0" in told
    assert str(target / "gadget.py") in told
    assert not (target / "numpy").exists(), "Limner has it"
    assert "1.0" in host("from importlib.metadata import version\nprint(version('tool'))\n"), "another host has it too"


def test_it_is_pip_by_each_of_its_names(host: Host, target: Path) -> None:
    for call in (
        "pip.main(['install', 'gadget'])",
        "pip._internal.main(['install', 'gadget'])",
        "pip._internal.cli.main.main(['install', 'gadget'])",
        "from pip import main; main(['install', 'gadget'])",
    ):
        host(f"import pip._internal.cli.main as _\nimport pip\n{call}")
        assert (target / "gadget.py").is_file(), call
        shutil.rmtree(target)


def test_files_and_options(host: Host, target: Path, tmp_path: Path) -> None:
    (tmp_path / "wanted.txt").write_text("gadget<2  # the old one\n")
    host(f"assert pip('--quiet', 'install', '--timeout', '5', '--no-cache-dir', '-r', '{tmp_path}/wanted.txt') == 0")
    assert "VERSION = 1" in (target / "gadget.py").read_text()
    wheel(tmp_path / "another shop", "thing", "1.0", {"thing.py": ""})
    host(f"assert pip('install', '--find-links={(tmp_path / 'another shop').as_uri()}', 'thing') == 0")
    assert (target / "thing.py").is_file()


def test_what_clashes_with_limner_is_refused(host: Host, target: Path) -> None:
    told = host("assert pip('install', 'msgspec==0.1') == 1\n")
    assert "ERROR: the requirements of this pack cannot be met beside Limner's own" in told
    assert list(target.iterdir()) == []


def test_nothing_is_uninstalled(host: Host) -> None:
    assert "nothing is uninstalled" in host("assert pip('uninstall', '-y', 'msgspec') == 0\nimport msgspec\n")


def test_another_environment_has_the_real_pip(host: Host, target: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (site / "pip").mkdir()
    (site / "pip" / "__main__.py").write_text(
        "import os, sys\nprint('really', sys.argv[1:], os.environ['PYTHONPATH'])\n"
    )
    told = host(f"pip('install', 'gadget', python='{tmp_path}/env/bin/python')")
    assert "really ['install', 'gadget']" in told and "installers" not in told
    assert not (target / "gadget.py").exists()
