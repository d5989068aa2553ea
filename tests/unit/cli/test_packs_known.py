"""What `limner packs list` and `info` tell of packs: their state, and why it is that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limner.app import confinement
from limner.app.schema_cache import cache_for
from limner.cli.main import status
from limner.files import Folders
from limner.graph import NodeSchema
from tests.support.pack_sources import pack

Told = Callable[..., Any]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LIMNER_BASE_DIRECTORY", str(tmp_path / "base"))
    return Folders.under(tmp_path / "base")


@pytest.fixture
def packs(folders: Folders) -> Path:
    return folders.model_folder("custom_nodes").paths[0]


@pytest.fixture
def listed(folders: Folders, capsys: pytest.CaptureFixture[str]) -> Told:
    def run() -> dict[str, Any]:
        assert status(["packs", "list", "--json"]) == 0
        return {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}

    return run


@pytest.fixture
def shown(folders: Folders, capsys: pytest.CaptureFixture[str]) -> Told:
    def run(*arguments: str) -> str:
        assert status(["packs", *arguments]) == 0
        printed = capsys.readouterr()
        return " ".join((printed.out + printed.err).split())

    return run


def loaded(folders: Folders, types: dict[str, str], problems: dict[str, str]) -> None:
    """As after a host has told of these nodes, by their packs, and of what kept packs from loading."""
    schemas = [NodeSchema(name, module=f"custom_nodes.{pack}") for name, pack in types.items()]
    cache_for(folders).save([*schemas, NodeSchema("Built", module="nodes")], problems)


def test_states(folders: Folders, packs: Path, listed: Told, shown: Told) -> None:
    for name in ("good", "half", "broken", "idle"):
        pack(packs, name)
    pack(packs, "off.disabled")
    assert {entry["nodes"] for entry in listed().values()} == {None}, "nobody has loaded them yet"
    assert "good ? on" in shown("list") and "? is known once a server has loaded" in shown("list")
    problems = {"half": "TypeError: a node\nmore", "broken": "ImportError: no x"}
    loaded(folders, {"A": "good", "B": "good", "C": "half"}, problems)
    found = {name: (entry["nodes"], entry["state"], entry["problem"]) for name, entry in listed().items()}
    assert found == {
        "good": (2, "on", ""),
        "half": (1, "loads in part", problems["half"]),
        "broken": (0, "does not load", "ImportError: no x"),
        "idle": (0, "on", ""),
        "off": (None, "off", ""),
    }
    text = shown("list")
    assert "half: TypeError: a node" in text and "more" not in text and "broken: ImportError: no x" in text
    assert "nodes A, B" in shown("info", "good")
    assert "nodes none" in shown("info", "idle")
    (packs / "good" / "__init__.py").write_text("# another by now, whose nodes nobody knows")
    assert listed()["good"]["nodes"] is None
    assert "limner packs check good" in shown("info", "good")


def test_a_manifest_with_a_mistake_is_told_with_the_pack(packs: Path, listed: Told, shown: Told) -> None:
    pack(packs, "wrong", limner__toml="isolate = 3")
    assert (listed()["wrong"]["state"], listed()["wrong"]["permissions"]) == ("does not load", None)
    assert f"problem {packs / 'wrong' / 'limner.toml'}" in shown("info", "wrong")


PERMITTED = 'permissions = {{ network = true, folders = ["output"] }}\nisolate = {}'


def test_what_a_pack_may_do(packs: Path, shown: Told, listed: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement.landlock, "version", lambda: 1)
    monkeypatch.setattr(confinement.seccomp, "is_there", lambda: True)
    pack(packs, "kept", limner__toml=PERMITTED.format("true"))
    pack(packs, "shared", limner__toml=PERMITTED.format("false"))
    pack(packs, "free", limner__toml="isolate = true")
    words = "may reach the network; not start programs; write its own files, output, and nothing else - "
    assert f"{words}the system holds it to that" in shown("info", "kept")
    assert f"{words}which it is not held to, as it shares a host" in shown("info", "shared")
    assert "may do everything that you may, as it declares no permissions" in shown("info", "free")
    assert "environment made when the server starts next" in shown("info", "free")
    monkeypatch.setattr(confinement.seccomp, "is_there", lambda: False)
    assert f"{words}this system does not keep it from starting programs" in shown("info", "kept")
    monkeypatch.setattr(confinement.landlock, "version", lambda: 0)
    assert listed()["kept"]["not_enforced"] == ["reading and writing elsewhere", "starting programs"]
    assert listed()["shared"]["not_enforced"] == ["all of it"]
