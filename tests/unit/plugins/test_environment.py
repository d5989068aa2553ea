"""Environments of packs: what they require, on top of Limner's, locked, and whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from limner.plugins.environment import (
    LOCK,
    EnvironmentProblem,
    Overlay,
    Wanted,
    built,
    is_built,
    overlay_of_this_process,
    pins_for,
    requirements_in,
)
from tests.support.wheels import wheel


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place that packages come from."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, value in {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(folder), "UV_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    """Limner's packages, with one more that a pack may share."""
    behind = tmp_path / "behind"
    (behind / "shared_thing").mkdir(parents=True)
    (behind / "shared_thing" / "__init__.py").write_text("VERSION = '1.0'\n")
    real = overlay_of_this_process()
    return replace(real, packages=(behind, *real.packages), versions={**real.versions, "shared-thing": "1.0"})


def says(python: Path, code: str) -> str:
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_requirement_is_installed_there_and_limners_packages_are_seen(
    shop: Path, overlay: Overlay, tmp_path: Path
) -> None:
    wheel(shop, "gadget", "2.0", {"gadget.py": "from shared_thing import VERSION\n"}, ["shared-thing>=1"])
    wheel(shop, "shared_thing", "1.0", {"shared_thing/__init__.py": "VERSION = 'own 1.0'\n"})
    wheel(shop, "shared_thing", "2.0", {"shared_thing/__init__.py": "VERSION = 'own 2.0'\n"})
    python = built(tmp_path / "environment", Wanted(("gadget",)), overlay)
    assert says(python, "import gadget; print(gadget.VERSION)") == "1.0"
    assert says(python, "import limner, msgspec, sys; print(sys.prefix)") == str(tmp_path / "environment")
    lock = (tmp_path / "environment" / LOCK).read_text()
    assert lock.split() == ["gadget==2.0", "shared-thing==1.0"]


def test_a_pack_that_clashes_with_limners_version_gets_its_own(shop: Path, overlay: Overlay, tmp_path: Path) -> None:
    wheel(shop, "shared_thing", "1.0", {"shared_thing/__init__.py": "VERSION = 'own 1.0'\n"})
    wheel(shop, "shared_thing", "2.0", {"shared_thing/__init__.py": "VERSION = 'own 2.0'\n"})
    python = built(tmp_path / "environment", Wanted(("shared-thing>=2",)), overlay)
    assert says(python, "import shared_thing; print(shared_thing.VERSION)") == "own 2.0"


def test_what_was_resolved_is_taken_again(shop: Path, overlay: Overlay, tmp_path: Path) -> None:
    folder, wanted = tmp_path / "environment", Wanted(("gadget",))
    wheel(shop, "gadget", "1.0", {"gadget.py": "N = 1\n"})
    python = built(folder, wanted, overlay)
    changed = python.stat().st_ctime_ns
    assert is_built(folder, wanted, overlay)
    assert built(folder, wanted, overlay).stat().st_ctime_ns == changed
    wheel(shop, "gadget", "2.0", {"gadget.py": "N = 2\n"})
    newer = replace(overlay, versions={**overlay.versions, "other": "5"})
    assert not is_built(folder, wanted, newer)
    assert says(built(folder, wanted, newer), "import gadget; print(gadget.N)") == "1"
    assert says(built(folder, Wanted(("gadget>=2",)), newer), "import gadget; print(gadget.N)") == "2"


def test_a_lock_is_obeyed(shop: Path, overlay: Overlay, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        wheel(shop, "gadget", version, {"gadget.py": f"N = {version}\n"})
    folder, wanted, lock = tmp_path / "environment", Wanted(("gadget",)), "gadget==1.0\n"
    python = built(folder, wanted, overlay, lock)
    assert says(python, "import gadget; print(gadget.N)") == "1.0"
    assert is_built(folder, wanted, overlay, lock) and is_built(folder, wanted, overlay)
    assert not is_built(folder, wanted, overlay, "gadget==2.0\n"), "another lock is another environment"
    assert says(built(folder, wanted, overlay, "gadget==2.0\n"), "import gadget; print(gadget.N)") == "2.0"


def test_what_a_killed_build_has_left_is_cleared(shop: Path, overlay: Overlay, tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, other = (tmp_path / f".environment.building-{number}" for number in (dead.pid, os.getppid()))
    for folder in (left, other):
        (folder / "lib").mkdir(parents=True)
    built(tmp_path / "environment", Wanted(), overlay)
    assert not left.exists()
    assert other.exists(), "somebody who lives is at it"


def test_versions_are_known_without_an_environment(shop: Path, overlay: Overlay) -> None:
    wheel(shop, "gadget", "2.0", {"gadget.py": ""}, ["shared-thing>=1"])
    wheel(shop, "shared_thing", "1.0", {})
    wheel(shop, "shared_thing", "2.0", {})
    assert pins_for(Wanted(("gadget",)), overlay).split() == ["gadget==2.0", "shared-thing==1.0"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(("missing-gadget",)), "cannot be resolved.*missing-gadget"),
        (Wanted(("not a requirement",)), "'not a requirement' is no requirement"),
        (Wanted((), python="three"), "'three' is no version of Python"),
        (Wanted((), python="3.2"), "it wants Python 3.2"),
    ],
)
def test_what_cannot_be_built_leaves_the_environment_before(
    shop: Path, overlay: Overlay, tmp_path: Path, wanted: Wanted, words: str
) -> None:
    folder = tmp_path / "environment"
    wheel(shop, "gadget", "1.0", {"gadget.py": "N = 1\n"})
    built(folder, Wanted(("gadget",)), overlay)
    with pytest.raises(EnvironmentProblem, match=words) as caught:
        built(folder, wanted, overlay)
    assert caught.value.remedy
    assert says(folder / "bin" / "python", "import gadget; print(gadget.N)") == "1"
    assert not [entry for entry in os.listdir(tmp_path) if "building" in entry or ".old" in entry]


def test_without_requirements_it_is_limners_with_a_place_of_its_own(
    shop: Path, overlay: Overlay, tmp_path: Path
) -> None:
    python = built(tmp_path / "environment", Wanted(python=">=3.11"), overlay)
    assert says(python, "import limner, sys; print(sys.prefix != sys.base_prefix)") == "True"


def test_requirements_are_read_as_pip_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("# what it needs\nnumpy<2  # old\n\n--extra-index-url x\nscipy\n-e .\n")
    assert requirements_in(file) == ("numpy<2", "scipy")
    assert requirements_in(tmp_path / "missing.txt") == ()
