"""Installing, updating, switching and removing packs: whole, or not at all."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from limner.comfy.manifest import read_manifest
from limner.packs import requirements
from limner.packs.errors import BadSource, Clash, PackExists, PackProblem, UnknownPack
from limner.packs.in_use import PackagesInUse
from limner.packs.installed import find, installed
from limner.packs.installing import Outcome, Wish, install, remove
from limner.packs.lockfile import locked, pin, read_lock
from limner.packs.places import Places
from limner.packs.records import read_records
from limner.packs.registry import Registry
from limner.packs.sources import source_of
from limner.packs.switching import disable, enable, isolate
from limner.packs.updating import Updated, can_update, update
from limner.plugins.environment import Wanted, built, overlay_of_this_process
from tests.support.pack_sources import FakeRegistry, commit, fake_registry, git, pack, repository, zipped
from tests.support.wheels import wheel

NOWHERE = Registry("http://127.0.0.1:9")


def quiet(text: str) -> None:
    """Nobody listens."""


def got(places: Places, *sources: object, name: str = "", isolated: bool | None = None) -> list[Outcome]:
    wishes = [Wish(source_of(str(source)), name, isolated) for source in sources]
    return install(places, wishes, NOWHERE, quiet)


def updated(places: Places, *names: str, registry: Registry = NOWHERE, ref: str = "") -> list[Updated]:
    return update(places, [find(places, name) for name in names], registry, quiet, ref)


def state(places: Places) -> Mapping[str, Any]:
    """Everything that is there, and what is in it."""
    roots = [*places.packs, places.work]
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for root in roots
        for path in root.rglob("*")
        if "__pycache__" not in path.parts
    }


def names(places: Places) -> list[str]:
    return [pack.path.name for pack in installed(places)]


def test_a_pack_with_what_it_requires(places: Places, packs: Path, shop: Path) -> None:
    (outcome,) = got(places, pack(packs, "one", requirements__txt="gadget  # any\n--pre\n"))
    assert outcome.path == places.home / "one"
    assert outcome.packages == ["gadget==2.0"]
    records = read_records(places.home)
    assert records.of("one")["source"] == "folder"
    assert (places.packages / records.packages / "gadget.py").is_file()
    before = set(metadata.packages_distributions())
    in_use = PackagesInUse(places)
    try:
        in_use.refresh()
        assert importlib.import_module("gadget").VERSION == 2
        assert metadata.version("gadget") == "2.0"
        assert "gadget" not in before, "Limner's own environment has none of it"
        remove(places, ["one"])
        assert (places.packages / records.packages).is_dir(), "a host uses it"
        in_use.refresh()
        assert not [entry for entry in sys.path if str(places.packages) in entry]
    finally:
        in_use.close()
        sys.modules.pop("gadget", None)


def test_packs_that_share_a_host_get_what_suits_them_all(places: Places, packs: Path, shop: Path) -> None:
    got(places, pack(packs, "one", requirements__txt="gadget"))
    (outcome,) = got(places, pack(packs, "two", requirements__txt="tool"))
    assert outcome.packages == ["gadget==1.0", "tool==1.0"]
    assert len(list(places.packages.iterdir())) == 1, "the set before is gone"
    remove(places, ["two"])
    got(places, pack(packs, "three", pyproject__toml='[project]\ndependencies = ["gadget"]\n'))
    assert requirements.pins_of(places, read_records(places.home).packages) == ("gadget==2.0",)


def test_several_come_together_or_not_at_all(places: Places, packs: Path, shop: Path) -> None:
    got(places, pack(packs, "zero", requirements__txt="gadget"))
    before = state(places)
    one, two = pack(packs, "one"), pack(packs, "two", requirements__txt="gadget==3")
    with pytest.raises(Clash, match="requirements of two cannot be met beside Limner's own"):
        got(places, one, two)
    assert state(places) == before
    assert names(places) == ["zero"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("msgspec==0.1", "requirements of bad cannot be met beside Limner's own: .*msgspec"),
        ("gadget>=2", "requirements of bad clash with those of zero"),
        ("nowhere", "requirements of bad cannot be met"),
        ("this is no requirement", "requirements of bad cannot be met"),
    ],
)
def test_requirements_that_clash_are_told_with_the_pack(
    line: str, says: str, places: Places, packs: Path, shop: Path
) -> None:
    got(places, pack(packs, "zero", requirements__txt="tool"))
    before = state(places)
    with pytest.raises(Clash, match=says) as caught:
        got(places, pack(packs, "bad", requirements__txt=line))
    assert "--isolate" in caught.value.remedy
    assert state(places) == before


def test_an_isolated_pack_does_not_count_among_the_others(places: Places, packs: Path, shop: Path) -> None:
    got(places, pack(packs, "zero", requirements__txt="tool"))
    (outcome,) = got(places, pack(packs, "own", requirements__txt="gadget>=2"), isolated=True)
    assert outcome.isolated and not outcome.packages
    assert read_manifest(places.home / "own").isolate
    (said,) = got(places, pack(packs, "says", limner__toml='requirements = ["gadget>=2"]\n'))
    assert said.isolated
    with pytest.raises(Clash, match="requirements of hopeless cannot be met"):
        got(places, pack(packs, "hopeless", requirements__txt="nowhere"), isolated=True)
    with pytest.raises(PackProblem, match=r"limner\.toml"):
        got(places, pack(packs, "broken", limner__toml="isolate = 3"))


def test_names_that_are_taken(places: Places, packs: Path) -> None:
    got(places, pack(packs, "one"))
    before = state(places)
    with pytest.raises(PackExists, match="there is a pack one already"):
        got(places, pack(packs, "one"))
    with pytest.raises(PackExists, match="there is a pack one already"):
        got(places, pack(packs, "other"), name="ONE")
    with pytest.raises(BadSource, match="two of them are called two"):
        got(places, pack(packs, "two"), pack(packs / "deeper", "two"))
    disable(places, find(places, "one"))
    with pytest.raises(PackExists, match="already, switched off"):
        got(places, pack(packs, "one"))
    enable(places, find(places, "one"))
    assert state(places) == before
    (places.home / "stray").mkdir()
    with pytest.raises(PackExists, match="stray is in the way"):
        got(places, pack(packs, "stray"))


def test_a_pack_that_lies_there_already_is_looked_after_from_then_on(places: Places, packs: Path, shop: Path) -> None:
    here = pack(places.home, "mine", requirements__txt="gadget")
    assert not find(places, "mine").managed
    (outcome,) = got(places, here)
    assert outcome.packages == ["gadget==2.0"]
    assert find(places, "mine").managed
    assert not (here / ".tracking").exists()
    with pytest.raises(BadSource, match="nobody knows where mine came from"):
        updated(places, "mine")


def test_off_and_on_again(places: Places, packs: Path, shop: Path) -> None:
    got(places, pack(packs, "one", requirements__txt="gadget"))
    (packs / "single.py").write_text("X = 1")
    got(places, packs / "single.py")
    before = state(places)
    assert disable(places, find(places, "one")) == places.home / "one.disabled"
    assert disable(places, find(places, "single")) == places.home / "single.py.disabled"
    assert [(pack.name, pack.enabled) for pack in installed(places)] == [("one", False), ("single", False)]
    got(places, pack(packs, "two", requirements__txt="tool"))
    with pytest.raises(PackExists, match="in the way"):
        shutil.copytree(places.home / "one.disabled", places.home / "one")
        disable(places, find(places, "one"))
    shutil.rmtree(places.home / "one")
    enable(places, find(places, "one"))
    enable(places, find(places, "single"))
    remove(places, ["two"])
    enable(places, find(places, "one"))
    assert {key: value for key, value in state(places).items() if "packages" not in key and ".limner" not in key} == {
        key: value for key, value in before.items() if "packages" not in key and ".limner" not in key
    }


def test_what_the_manager_has_switched_off(places: Places) -> None:
    pack(places.home / ".disabled", "thing@1_0")
    (found,) = installed(places)
    assert (found.name, found.enabled) == ("thing", False)
    assert enable(places, found) == places.home / "thing"


def test_a_host_of_its_own_and_back(places: Places, packs: Path, shop: Path) -> None:
    got(places, pack(packs, "one", requirements__txt="gadget"))
    isolate(places, find(places, "one"))
    assert find(places, "one").isolated and not places.packages.exists()
    assert read_manifest(places.home / "one").isolate
    isolate(places, find(places, "one"), isolated=False)
    assert not find(places, "one").isolated
    assert requirements.pins_of(places, read_records(places.home).packages) == ("gadget==2.0",)
    pack(places.home, "mine")
    isolate(places, find(places, "mine"))
    assert read_manifest(places.home / "mine").isolate


def test_removing_leaves_nothing(places: Places, packs: Path, shop: Path) -> None:
    (packs / "single.py").write_text("X = 1")
    got(places, pack(packs, "one", requirements__txt="gadget"), packs / "single.py")
    with pytest.raises(UnknownPack, match="there is no pack 'onee'"):
        remove(places, ["one", "onee"])
    assert names(places) == ["one", "single.py"]
    remove(places, ["one", "single"])
    got(places, pack(packs, "two"))
    assert [path.name for path in places.home.iterdir() if path.name[0] != "."] == ["two"]
    assert not places.packages.exists()


def test_a_clone_moves_forward_and_keeps_what_is_the_users(places: Places, packs: Path, shop: Path) -> None:
    origin = repository(pack(packs, "thing", 1))
    (outcome,) = got(places, f"file://{origin}")
    first = outcome.fetched.commit
    (places.home / "thing" / "models").mkdir()
    (places.home / "thing" / "models" / "large.bin").write_bytes(bytes(2**20 + 1))
    (told,) = updated(places, "thing")
    assert not told.changed
    pack(packs, "thing", 2, requirements__txt="gadget")
    second = commit(origin, "second")
    (told,) = updated(places, "thing")
    assert (told.before, told.after) == (first[:10], second[:10])
    assert "return 2" in (places.home / "thing" / "__init__.py").read_text()
    assert (places.home / "thing" / "models" / "large.bin").stat().st_size == 2**20 + 1
    assert requirements.pins_of(places, read_records(places.home).packages) == ("gadget==2.0",)
    assert git(places.home / "thing", "status", "--porcelain", "--untracked-files=no") == ""
    updated(places, "thing", ref=first)
    assert find(places, "thing").commit == first


def test_an_update_that_fails_changes_nothing(places: Places, packs: Path, shop: Path) -> None:
    origin = repository(pack(packs, "thing", 1))
    got(places, f"file://{origin}", pack(packs, "other"))
    pack(packs, "thing", 2, requirements__txt="nowhere")
    commit(origin, "second")
    pack(packs, "other", 2)
    before = state(places)
    with pytest.raises(Clash, match="requirements of thing"):
        updated(places, "other", "thing")
    assert state(places) == before
    (places.home / "thing" / "__init__.py").write_text("# mine")
    with pytest.raises(BadSource, match=r"thing: it was changed here: __init__\.py"):
        updated(places, "thing")
    git(places.home / "thing", "checkout", "--quiet", "__init__.py")
    with pytest.raises(BadSource, match=r"thing: its origin has no"):
        shutil.rmtree(origin)
        updated(places, "thing")


def test_files_that_came_go_and_files_that_did_not_stay(places: Places, packs: Path) -> None:
    source = pack(packs, "thing", 1, old__py="X = 1", settings__json="{}")
    got(places, source)
    (places.home / "thing" / "settings.json").write_text('{"mine": 1}')
    (places.home / "thing" / "cache.bin").write_text("fetched")
    (source / "old.py").unlink()
    (source / "new.py").write_text("X = 2")
    (told,) = updated(places, "thing")
    assert told.changed
    there = {path.name: path.read_text() for path in (places.home / "thing").iterdir() if path.name != ".tracking"}
    assert set(there) == {"__init__.py", "new.py", "settings.json", "cache.bin"}
    assert there["settings.json"] == "{}", "what came with the pack is replaced"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as found:
        yield found


def test_packs_of_the_registry(places: Places, packs: Path, tmp_path: Path, registry: FakeRegistry) -> None:
    def publish(version: str, value: int) -> None:
        data = zipped(pack(packs, "thing", value), tmp_path / "x.zip").read_bytes()
        registry.archives.setdefault("a-thing", {})[version] = data

    publish("1.0.0", 1)
    client = Registry(registry.url)
    install(places, [Wish(source_of("a-thing"))], client, quiet)
    assert find(places, "a-thing").version == "1.0.0"
    publish("1.1.0", 2)
    (told,) = updated(places, "a-thing", registry=client)
    assert (told.before, told.after) == ("1.0.0", "1.1.0")
    (told,) = updated(places, "a-thing", registry=client, ref="1.0.0")
    assert "return 1" in (places.home / "a-thing" / "__init__.py").read_text()


def test_a_lock_brings_the_same_again(places: Places, packs: Path, shop: Path, tmp_path: Path) -> None:
    origin = repository(pack(packs, "thing", 1, requirements__txt="gadget<2"))
    first = git(origin, "rev-parse", "HEAD")
    got(places, f"file://{origin}", pack(packs, "other", requirements__txt="gadget"))
    got(places, pack(packs, "own", requirements__txt="gadget"), isolated=True)
    pack(places.home, "mine")
    text, unknown = locked(places, tmp_path / "environments")
    assert [pack.name for pack in unknown] == ["mine"]
    pack(packs, "thing", 2)
    commit(origin, "second")
    remove(places, ["thing", "other", "own"])
    file = tmp_path / "packs.lock"
    file.write_text(text)
    with pytest.raises(BadSource, match="does not say where mine comes from"):
        read_lock(file)
    file.write_text(
        text[: text.index('name = "mine"')].removesuffix("[[pack]]\n") + text[text.index('name = "other"') - 9 :]
    )
    lock = read_lock(file)
    assert lock.packages == ("gadget==1.0",)
    outcomes = install(places, lock.wishes, NOWHERE, quiet, lock.packages)
    assert {outcome.fetched.name: outcome.fetched.commit for outcome in outcomes}["thing"] == first
    assert requirements.pins_of(places, read_records(places.home).packages) == ("gadget==1.0",)
    assert (places.home / "own" / "requirements.lock").read_text() == "gadget==2.0\n"
    remove(places, ["thing", "other", "own"])
    (packs / "other" / "__init__.py").write_text("# another")
    with pytest.raises(BadSource, match="other is not what was locked"):
        install(places, lock.wishes, NOWHERE, quiet, lock.packages)


def test_a_pack_is_given_away_with_the_versions_that_it_works_with(
    places: Places, packs: Path, shop: Path, tmp_path: Path
) -> None:
    thing = pack(places.home, "thing", requirements__txt="gadget<2")
    file = pin(find(places, "thing"), tmp_path / "environments")
    assert (file, file.read_text()) == (thing / "requirements.lock", "gadget==1.0\n")
    got(places, thing, isolated=True)
    assert '"gadget==1.0"' in locked(places, tmp_path / "environments")[0]
    (places.home / "one.py").write_text("")
    with pytest.raises(BadSource, match="one is a single file"):
        pin(find(places, "one"), tmp_path / "environments")
    pack(places.home, "bad", requirements__txt="nowhere")
    with pytest.raises(Clash, match="requirements of bad cannot be met"):
        pin(find(places, "bad"), tmp_path / "environments")


def test_what_a_lock_holds_is_what_the_environment_was_built_with(
    places: Places, packs: Path, shop: Path, tmp_path: Path
) -> None:
    got(places, pack(packs, "own thing", requirements__txt="gadget<2"), isolated=True)
    environments = tmp_path / "environments"
    overlay = overlay_of_this_process()
    built(environments / "own_thing" / "environment", Wanted(("gadget<2",)), overlay, lock="gadget==1.0")
    wheel(shop, "gadget", "1.5", {"gadget.py": ""})
    assert pin(find(places, "own thing"), environments).read_text() == "gadget==1.0\n"
    (places.home / "own thing" / "requirements.txt").write_text("gadget")
    assert pin(find(places, "own thing"), environments).read_text() == "gadget==2.0\n", "it was built for others"


def test_an_update_follows_what_the_pack_says_unless_its_user_decided(places: Places, packs: Path, shop: Path) -> None:
    folder = pack(packs, "thing", requirements__txt="gadget<2")
    got(places, folder)
    assert not find(places, "thing").isolated
    pin(find(places, "thing"), places.work)
    pack(packs, "thing", 2, limner__toml="isolate = true", requirements__txt="gadget>=2")
    updated(places, "thing")
    assert find(places, "thing").isolated
    assert requirements.pins_of(places, read_records(places.home).packages) == (), "it has an environment of its own"
    assert not (places.home / "thing" / "requirements.lock").exists(), "it was of other requirements"
    isolate(places, find(places, "thing"), isolated=False)
    pack(packs, "thing", 3)
    updated(places, "thing")
    assert not find(places, "thing").isolated


def test_what_can_be_updated(places: Places, packs: Path, shop: Path) -> None:
    got(places, pack(packs, "thing"), pack(packs, "off"))
    got(places, pack(places.home, "mine"))
    pack(places.home, "unknown")
    disable(places, find(places, "off"))
    assert [pack.name for pack in installed(places) if can_update(places, pack)] == ["thing"]


def test_what_is_no_lock(tmp_path: Path) -> None:
    for text in ("", "pack = 3", "[[pack]]\nx = 1", "="):
        (tmp_path / "packs.lock").write_text(text)
        with pytest.raises(BadSource):
            read_lock(tmp_path / "packs.lock")
