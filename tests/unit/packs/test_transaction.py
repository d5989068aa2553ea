"""A change of the installation happens whole or not at all, also when it is killed between any two of its steps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from limner.files import Folders
from limner.packs import transaction
from limner.packs.errors import Busy
from limner.packs.places import Places
from limner.packs.transaction import Change, at_work, mend


def state(base: Path) -> dict[str, str | None]:
    """Everything below the base directory."""
    return {str(path.relative_to(base)): path.read_text() if path.is_file() else None for path in base.rglob("*")}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "base"
    (base / "custom_nodes" / "old").mkdir(parents=True)
    (base / "custom_nodes" / "old" / "a.py").write_text("old")
    (base / "custom_nodes" / ".limner.toml").write_text("before")
    return base


def places_of(base: Path) -> Places:
    return Places.of(Folders.under(base))


def planned(places: Places) -> Change:
    """Replace `old`, bring `new` and packages, write a file that was there and one that was not."""
    change = Change(places)
    for name in ("old", "new"):
        folder = change.folder()
        (folder / "a.py").write_text("new")
        if name == "old":
            change.take_away(places.home / name)
        change.move(folder, places.home / name)
    packages = change.folder()
    (packages / "p.py").write_text("p")
    change.move(packages, places.packages / "x1")
    change.write(places.home / ".limner.toml", "after")
    change.write(places.home / "fresh.toml", "fresh")
    return change


STEPS = 6


def test_it_is_done_whole(base: Path) -> None:
    places = places_of(base)
    with at_work(places), planned(places) as change:
        change.commit()
    found = {name: text for name, text in state(base).items() if text is not None}
    assert found == {
        "custom_nodes/old/a.py": "new",
        "custom_nodes/new/a.py": "new",
        "custom_nodes/.limner.toml": "after",
        "custom_nodes/fresh.toml": "fresh",
        "user/limner/packages/x1/p.py": "p",
    }


@pytest.mark.parametrize("step", range(STEPS))
def test_a_failure_at_any_step_leaves_everything_as_it_was(step: int, base: Path) -> None:
    before, places, done = state(base), places_of(base), []

    def fail() -> None:
        done.append(1)
        if len(done) > step:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"), at_work(places), planned(places) as change:
        change.commit(fail)
    assert len(done) == step + 1
    assert state(base) == before


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.unit.packs.test_transaction import at_work, places_of, planned

left = int(sys.argv[2])

def kill():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)

places = places_of(Path(sys.argv[1]))
with at_work(places):
    planned(places).commit(kill)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_kill_at_any_step_is_mended_by_whoever_comes_next(step: int, base: Path) -> None:
    before, places = state(base), places_of(base)
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED, str(base), str(step), str(root)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert state(base) != before
    mend(places)
    found = state(base)
    assert not places.journal.exists() and not places.staging.exists()
    if step < STEPS:
        assert {name: text for name, text in found.items() if name not in ("user", "user/limner")} == before
    else:
        assert found["custom_nodes/old/a.py"] == "new", "it was done, and only the tidying up was not"


WRITING = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from limner.files import atomic
from tests.unit.packs.test_transaction import at_work, places_of, planned

left, replace = int(sys.argv[2]), os.replace

def put(source, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    replace(source, target)

atomic.os.replace = put
with at_work(places_of(Path(sys.argv[1]))) as places:
    planned(places).commit()
"""
WRITTEN = 4
"""The journal, two texts, the journal again."""


@pytest.mark.parametrize("file", range(WRITTEN))
def test_a_kill_in_the_middle_of_a_file_leaves_no_half_of_it(file: int, base: Path) -> None:
    before, places = state(base), places_of(base)
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", WRITING, str(base), str(file), str(root)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(base.rglob(".*.part")), "it was killed before the file had its name"
    mend(places)
    assert {name: text for name, text in state(base).items() if name not in ("user", "user/limner")} == before


def test_what_is_in_the_way_is_not_overwritten(base: Path) -> None:
    before, places = state(base), places_of(base)
    with pytest.raises(FileExistsError), at_work(places), Change(places) as change:
        change.move(change.folder(), places.home / "old")
        change.commit()
    assert state(base) == before


def test_one_command_at_a_time(base: Path) -> None:
    places = places_of(base)
    with at_work(places), pytest.raises(Busy), at_work(places):
        pass


def test_nothing_is_mended_under_a_command_that_works(base: Path) -> None:
    places = places_of(base)
    with at_work(places):
        places.changing.mkdir(parents=True)
        plan = {"done": False, "moves": [[str(base / "custom_nodes" / "gone"), str(base / "custom_nodes" / "old")]]}
        places.journal.write_text(json.dumps({**plan, "texts": {}}))
        mend(places)
        assert (base / "custom_nodes" / "old").exists(), "it is another's to undo"
    assert (base / "custom_nodes" / "gone").exists(), "the command's end undoes it"


def test_another_device_is_met_by_a_copy(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = places_of(base)
    monkeypatch.setattr(transaction, "_device", lambda path: 1 if "custom_nodes" in path.parts else 2)
    with at_work(places), planned(places) as change:
        assert any(path.name.startswith(".limner-") for path in places.home.iterdir())
        change.commit()
    assert (places.home / "old" / "a.py").read_text() == "new"
    assert sorted(path.name for path in places.home.iterdir()) == [".limner.toml", "fresh.toml", "new", "old"]
