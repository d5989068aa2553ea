"""Built-in nodes have the version of their code."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.nodes import versions
from limner.nodes.image import transform
from limner.nodes.library import built_in
from limner.nodes.versions import versioned
from limner.sdk import nodes_in


def test_every_node_has_a_version_that_stays() -> None:
    told = {node.schema.type: node.schema.version for node in built_in()}
    assert all(len(version) == 16 for version in told.values())
    assert told == {node.schema.type: node.schema.version for node in built_in()}
    assert len(set(told.values())) > 10


def test_a_change_of_what_all_stand_on_is_another_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = list(nodes_in([transform]))
    before = [node.schema.version for node in versioned(nodes)]
    monkeypatch.setattr(versions, "LIBRARIES", (*versions.LIBRARIES, "pytest"))
    assert all(old != node.schema.version for old, node in zip(before, versioned(nodes), strict=True))
