"""What nodes there are, from the hosts that run and from what they told before."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.app.node_set import SHARED, NodeSet
from limner.app.quarantine import Quarantine
from limner.files import Folders
from limner.graph import NodeSchema
from limner.plugins.client import Loaded

HOMES = {"custom_nodes.own": "own"}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders = Folders.under(tmp_path / "base")
    folders.prepare()
    return folders


def loaded(*types: str, module: str = "nodes", **problems: str) -> Loaded:
    return Loaded([NodeSchema(name, module=module) for name in types], list(problems.items()))


def test_what_hosts_told_is_known_at_the_next_start(folders: Folders) -> None:
    first = NodeSet(folders, HOMES)
    first.loaded(SHARED, loaded("A", "B", broken="ImportError: no x"))
    first.loaded("own", loaded("C", module="custom_nodes.own"))
    again = NodeSet(folders, HOMES)
    assert {name: again.home(name) for name in again.catalog} == {"A": SHARED, "B": SHARED, "C": "own"}
    assert again.catalog.absent == {"broken": "ImportError: no x"}


def test_the_same_nodes_of_other_files_are_kept_for_these(folders: Folders) -> None:
    pack = folders.model_folder("custom_nodes").paths[0] / "pack"
    pack.mkdir(parents=True)
    nodes = NodeSet(folders, HOMES)
    nodes.loaded(SHARED, loaded("A"))
    (pack / "__init__.py").write_text("# saved, while a server watches")
    assert not NodeSet(folders, HOMES).catalog
    nodes.sources_changed()
    nodes.loaded(SHARED, loaded("A"))
    assert list(NodeSet(folders, HOMES).catalog) == ["A"]


def test_that_a_pack_is_quarantined_is_not_kept(folders: Folders) -> None:
    pack = folders.model_folder("custom_nodes").paths[0] / "wild"
    pack.mkdir(parents=True)
    (pack / "__init__.py").touch()
    quarantine = Quarantine(folders)
    while not quarantine.blame("wild", "it crashed"):
        pass
    nodes = NodeSet(folders, HOMES)
    nodes.loaded(SHARED, loaded("A", **quarantine.reasons()))
    assert "quarantined" in nodes.catalog.absent["wild"]
    assert NodeSet(folders, HOMES).catalog.absent == {}, "it may have been released since"


def test_a_problem_that_is_gone_is_forgotten(folders: Folders) -> None:
    nodes = NodeSet(folders, HOMES)
    nodes.loaded(SHARED, loaded("A", broken="it cannot be reached"))
    nodes.loaded(SHARED, loaded("A"))
    assert NodeSet(folders, HOMES).catalog.absent == {}
