"""`limner packs install` and `update`, killed at any moment: the installation is as it was, or as it should be."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from limner.files import Folders
from limner.packs.places import Places
from limner.packs.records import read_records
from limner.packs.requirements import pins_of
from limner.packs.transaction import mend
from tests.support.pack_sources import commit, pack, repository
from tests.support.wheels import wheel

MOMENTS = (0.2, 0.4, 0.55, 0.7, 0.8, 0.9)
"""Shares of the time that a whole update takes."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "shop", "gadget", version, {f"gadget/{n}.py": "X = 1" for n in range(200)})
    own = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(tmp_path / "shop"), "UV_OFFLINE": "1"}
    folders = {"LIMNER_BASE_DIRECTORY": str(tmp_path / "base"), "UV_CACHE_DIR": str(tmp_path / "cache")}
    return {**os.environ, **own, **folders}


def state(base: Path) -> Mapping[str, bytes | None]:
    """All that is there, less what only tells when it was put there."""
    found = {str(path.relative_to(base)): path.read_bytes() if path.is_file() else None for path in base.rglob("*")}
    return {name: data for name, data in found.items() if "/.git" not in name and not name.endswith(".limner.toml")}


def test_killed_at_any_moment(tmp_path: Path, environment: dict[str, str]) -> None:
    origin = repository(pack(tmp_path, "thing", 1, requirements__txt="gadget<2"))
    base = tmp_path / "base"
    places = Places.of(Folders.under(base))
    command = [sys.executable, "-m", "limner.cli", "packs"]
    started = time.monotonic()
    subprocess.run([*command, "install", f"file://{origin}"], env=environment, check=True, capture_output=True)
    whole = time.monotonic() - started
    before = state(base)
    pack(tmp_path, "thing", 2, requirements__txt="gadget>=2")
    commit(origin, "second")
    for moment in MOMENTS:
        process = subprocess.Popen(
            [*command, "update", "thing"], env=environment, start_new_session=True, stderr=subprocess.DEVNULL
        )
        time.sleep(moment * whole)
        kill(process)
        mend(places)
        if state(base) != before:
            assert is_whole(places), "it was done, or nothing was"
            break
    done = subprocess.run([*command, "update", "thing"], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert is_whole(places)
    assert [path.name for path in (base / "user" / "limner").iterdir()] == ["packages"], "nothing is left lying"


def kill(process: subprocess.Popen[bytes]) -> None:
    """It, and what it has started; until none of them can write any more."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for _ in range(200):  # where nobody buries the dead, they count on
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def is_whole(places: Places) -> bool:
    """The new code, the new packages, and a record that names them."""
    name = read_records(places.home).packages
    return "return 2" in (places.home / "thing" / "__init__.py").read_text() and pins_of(places, name) == (
        "gadget==2.0",
    )


def test_ctrl_c_leaves_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    slow = tmp_path / "slow"
    pack(tmp_path, "slow", requirements__txt="never @ http://127.0.0.1:9/never-1.0.tar.gz")
    (tmp_path / "base").mkdir()
    for sign in (signal.SIGINT, signal.SIGTERM):
        with socket.create_server(("127.0.0.1", 0)) as silent:  # a server that answers nothing keeps it waiting
            port = silent.getsockname()[1]
            (slow / "requirements.txt").write_text(f"never @ http://127.0.0.1:{port}/never-1.0.tar.gz")
            process = subprocess.Popen(
                [sys.executable, "-m", "limner.cli", "packs", "install", str(slow)],
                env={**environment, "UV_OFFLINE": ""},
                stderr=subprocess.PIPE,
                text=True,
            )
            assert process.stderr is not None
            while "Resolving" not in process.stderr.readline():
                pass
            time.sleep(0.5)
            process.send_signal(sign)
            process.communicate(timeout=60)
        assert process.returncode != 0
        assert list((tmp_path / "base").rglob("*")) == []
