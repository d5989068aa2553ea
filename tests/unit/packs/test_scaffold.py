"""The pack to begin with works as it is, its tests too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from limner.packs.errors import BadSource, PackExists
from limner.packs.scaffold import scaffold
from limner.packs.sources import check, project_of
from tests.support.pack_host import pack_host


@pytest.mark.parametrize("name", ["my-pack", "Bilder 2", "3d"])
async def test_it_loads(name: str, tmp_path: Path) -> None:
    files = scaffold(tmp_path / "packs", name)
    assert all(file.is_file() for file in files)
    check(tmp_path / "packs" / name)
    assert project_of(tmp_path / "packs" / name)["version"] == "0.1.0"
    with pack_host(tmp_path / "base", tmp_path / "packs") as host:
        assert host.problems == []
        assert len(host.core.library) == 2
        assert {node.schema.category for node in host.core.library.values()} == {name}


def test_its_own_tests_pass(tmp_path: Path) -> None:
    scaffold(tmp_path, "my-pack")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=tmp_path / "my-pack", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_names(tmp_path: Path) -> None:
    scaffold(tmp_path, "one")
    with pytest.raises(PackExists, match="there already"):
        scaffold(tmp_path, "one")
    for name in ("", "..", "a/b", ".x"):
        with pytest.raises(BadSource, match="is no name for a pack"):
            scaffold(tmp_path, name)
