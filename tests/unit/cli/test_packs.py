"""`limner packs`, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limner.app.quarantine import FILE, Quarantine
from limner.cli.main import status
from limner.files import Folders
from tests.support.pack_sources import fake_registry, pack, zipped
from tests.support.wheels import wheel

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def limner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command: its exit code, and what it prints."""
    wheel(tmp_path / "shop", "gadget", "1.0", {"gadget.py": ""})
    for name, value in {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(tmp_path / "shop"), "UV_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LIMNER_BASE_DIRECTORY", str(tmp_path / "base"))

    def run(*arguments: object) -> tuple[int, str, str]:
        code = status(["packs", *map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def listed(limner: Command) -> dict[str, Any]:
    code, out, _ = limner("list", "--json")
    assert code == 0
    return {entry["name"]: entry for entry in json.loads(out)}


def test_from_new_to_removed(limner: Command, tmp_path: Path) -> None:
    code, out, _ = limner("list")
    assert code == 0 and "There are no packs" in out and "limner packs install" in out
    code, out, _ = limner("new", "my-pack")
    assert code == 0 and str(tmp_path / "base" / "custom_nodes" / "my-pack" / "nodes.py") in out
    assert limner("new", "my-pack")[0] == 2
    source = pack(tmp_path, "one", requirements__txt="gadget", install__py="")
    code, out, err = limner("install", source)
    assert code == 0 and f"one is in {tmp_path / 'base' / 'custom_nodes' / 'one'}" in out
    assert "With it came gadget==1.0" in err
    assert "It has an install.py, which was not run" in err
    assert {name: entry["state"] for name, entry in listed(limner).items()} == {"my-pack": "on", "one": "on"}
    assert limner("disable", "one")[0] == 0
    assert listed(limner)["one"]["state"] == "off"
    assert limner("enable", "one")[0] == 0
    assert limner("isolate", "one")[0] == 0
    assert listed(limner)["one"]["state"] == "own host"
    assert limner("isolate", "one", "--off")[0] == 0
    code, out, _ = limner("info", "one")
    assert code == 0 and "requires    gadget" in out
    code, out, err = limner("lock")
    assert code == 0 and out.strip() == str(tmp_path / "base" / "packs.lock")
    assert "Nobody knows where my-pack came from" in err
    code, out, _ = limner("update", "--all")
    assert code == 0 and "one: nothing new" in out
    (source / "__init__.py").write_text("# new")
    code, out, _ = limner("update", "one")
    assert code == 0 and "one: now as it is where it came from" in out
    assert limner("update")[0] == 2
    assert limner("remove", "one", "my-pack")[0] == 0
    assert listed(limner) == {}


def test_what_is_wrong_is_said_with_the_remedy(limner: Command, tmp_path: Path) -> None:
    code, _, err = limner("install", "no/such/folder")
    assert code == 2 and "there is no 'no/such/folder'. \nGive" in err.replace("'\n", "'. \n")
    pack(tmp_path / "base" / "custom_nodes", "thing")
    code, _, err = limner("disable", "thin")
    assert code == 2 and "there is no pack 'thin'" in err and "Did you mean thing?" in err
    code, _, err = limner("install", pack(tmp_path, "bad", requirements__txt="nowhere"))
    assert code == 1 and "requirements of bad cannot be met" in err and "--isolate" in err
    assert "Traceback" not in err


def test_the_registry_by_its_address(limner: Command, tmp_path: Path) -> None:
    with fake_registry() as registry:
        registry.archives["a-thing"] = {"1.0": zipped(pack(tmp_path, "thing"), tmp_path / "x.zip").read_bytes()}
        code, out, _ = limner("info", "a-thing", "--pack-registry", registry.url)
        assert code == 0 and "limner packs install a-thing" in out and "by          Me" in out
        code, out, _ = limner("install", "a-thing", "--pack-registry", registry.url)
        assert code == 0 and "a-thing 1.0 is in" in out
        code, _, err = limner("install", "another", "--pack-registry", registry.url)
        assert code == 2 and "the registry has no pack 'another'" in err
        code, _, err = limner("info", "another", "--pack-registry", registry.url)
        assert code == 2 and "there is no pack 'another'" in err
    code, _, err = limner("info", "another", "--pack-registry", registry.url)
    assert code == 1 and "there is no pack 'another' here, and the registry" in " ".join(err.split())
    assert "cannot be reached" in " ".join(err.split())


def test_a_quarantined_pack_is_let_in_again(limner: Command, tmp_path: Path) -> None:
    folders = Folders.under(tmp_path / "base")
    pack(tmp_path / "base" / "custom_nodes", "wild")
    quarantine = Quarantine(folders)
    while not quarantine.blame("wild", "it crashed"):
        pass
    assert (folders.user / "limner" / FILE).is_file()
    assert listed(limner)["wild"]["state"] == "quarantined"
    code, _, err = limner("enable", "wild")
    assert code == 0 and "wild was quarantined; it is loaded when the server starts next" in err
    assert listed(limner)["wild"]["state"] == "on"


def test_a_check_brings_what_is_required_for_itself_alone(limner: Command, tmp_path: Path) -> None:
    folder = pack(tmp_path, "needy", requirements__txt="gadget")
    (folder / "__init__.py").write_text(f"import gadget\n{(folder / '__init__.py').read_text()}")
    code, out, err = limner("check", folder)
    assert code == 1 and "needy  does not load" in out and "gadget  (it is not there)" in out
    assert "Try it with what it requires: --with-requirements" in err
    for wish in ("", "isolate = true"):
        (folder / "limner.toml").write_text(wish or "isolate = false")
        code, out, err = limner("check", folder, "--with-requirements")
        assert code == 0 and "needy  loads: 1 node" in out and "not met" not in out, out + err
    assert not (tmp_path / "base" / "user" / "limner").exists()
    (folder / "requirements.txt").write_text("nowhere")
    code, _, err = limner("check", folder, "--with-requirements")
    assert code == 1 and "requirements of needy cannot be met" in err
