"""`limner upgrade`, as a user gives it, from an installed version to others."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from limner.workflows import Kept, Library
from tests.scenarios.workflows import inverted
from tests.support.live_server import live_server
from tests.support.versions import installation, limner_wheel

INVERT = "limner/nodes/image/basics.py"
RANDOM = """
import random
import torch

class Dice:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES, FUNCTION = ("IMAGE",), "throw"

    def throw(self):
        return (torch.full((1, 8, 8, 3), random.SystemRandom().random()),)

NODE_CLASS_MAPPINGS = {"Dice": Dice}
"""


@dataclass(frozen=True)
class Installed:
    """A limner in an environment of its own."""

    limner: Path
    base: Path

    def upgrade(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("upgrade", *arguments, "--base-directory", str(self.base), "--cpu")

    def version(self) -> str:
        return self._run("--version").stdout.strip()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        left_out = ("LIMNER_", "PYTHONPATH")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        environment |= {"UV_OFFLINE": "1", "UV_NO_INDEX": "1"}
        command = [str(self.limner), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=self.base)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    limner_wheel(folder, "0.1.0")
    limner_wheel(folder, "0.2.0")
    limner_wheel(folder, "0.3.0", {INVERT: ("return 1.0 - image", "return 0.9 - image")})
    return folder


@pytest.fixture
def installed(wheels: Path, tmp_path: Path) -> Installed:
    base = tmp_path / "base"
    base.mkdir()
    return Installed(installation(tmp_path / "environment", wheels / "limner-0.1.0-py3-none-any.whl"), base)


def save(base: Path, name: str, prompt: object, profile: str = "default") -> None:
    path = base / "user" / profile / "workflows" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(prompt))


def test_a_version_that_draws_the_same_is_switched_to(installed: Installed, wheels: Path) -> None:
    save(installed.base, "red.json", inverted())
    wheel = str(wheels / "limner-0.2.0-py3-none-any.whl")
    checked = installed.upgrade(wheel, "--check")
    assert checked.returncode == 0, checked.stderr
    assert "same          red.json" in checked.stdout and "limner 0.2.0 draws what 0.1.0 draws" in checked.stdout
    assert installed.version() == "limner 0.1.0"
    assert not (installed.base / "output").exists(), "what the check draws is not among what users drew"

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with live_server(installed.base, "--port", str(port)):
        refused = installed.upgrade(wheel)
    assert refused.returncode == 2 and "a server runs" in refused.stderr
    assert installed.version() == "limner 0.1.0"

    done = installed.upgrade(wheel)
    assert done.returncode == 0, done.stderr
    assert "limner 0.1.0 became 0.2.0" in done.stdout and "Checked on" in done.stderr, "it is not checked twice"
    assert installed.version() == "limner 0.2.0"
    (backup,) = installed.base.glob("limner-backup-*.tar.gz")
    with tarfile.open(backup) as archive:
        names = archive.getnames()
    assert "user/default/workflows/red.json" in names and not [name for name in names if "upgrade" in name]


def test_differences_keep_it_from_being_switched_to(installed: Installed, wheels: Path) -> None:
    (installed.base / "custom_nodes").mkdir()
    (installed.base / "custom_nodes" / "dice.py").write_text(RANDOM)
    save(installed.base, "dice.json", {"1": {"class_type": "Dice", "inputs": {}}, "2": saving("1")})
    asyncio.run(keep(installed.base, "endpoint"))
    wheel = str(wheels / "limner-0.3.0-py3-none-any.whl")
    checked = installed.upgrade(wheel, "--check")
    assert checked.returncode == 1
    said = checked.stdout.splitlines()
    found = {line[14:].split(" (")[0].split(",")[0]: line[:14].strip() for line in said if line[:1].strip()}
    assert found == {"dice.json": "unsteady", "endpoint": "different"}
    assert "100.0% of the pixels, by 25 of 255 at most" in checked.stdout or "by 26 of 255" in checked.stdout
    pictures = [Path(line.strip()) for line in said if line.strip().endswith(".png")]
    assert len(pictures) == 4 and all(path.is_file() for path in pictures)
    assert "of 2 workflows, 1 differs with limner 0.3.0" in checked.stderr and "--accept" in checked.stderr

    refused = installed.upgrade(wheel)
    assert refused.returncode == 1 and installed.version() == "limner 0.1.0"
    done = installed.upgrade(wheel, "--accept")
    assert done.returncode == 0, done.stderr
    assert installed.version() == "limner 0.3.0"


def test_what_cannot_be_switched_to_changes_nothing(installed: Installed, tmp_path: Path) -> None:
    other = limner_wheel(tmp_path, "0.4.0", requires=["a-package-that-nobody-has>=2"])
    for arguments, said in (
        (["0.1"], "that version cannot be installed"),
        (["no-such-version"], "is no version"),
        ([str(other), "--check"], "cannot be resolved"),
        ([str(other), "--accept"], "no version has been checked"),
        ([str(other), "--accept", "--check"], "cannot both be"),
    ):
        failed = installed.upgrade(*arguments)
        assert failed.returncode == 2 and said in failed.stderr, failed.stderr
    assert installed.version() == "limner 0.1.0"


def saving(node: str) -> dict[str, object]:
    return {"class_type": "SaveImage", "inputs": {"images": [node, 0], "filename_prefix": "x"}}


async def keep(base: Path, name: str) -> None:
    library = Library(base / "user" / "limner")
    try:
        await library.workflows.add(Kept(name, 1, "", inverted(), (), ()), next_version=True)
    finally:
        library.close()
