"""Schemas survive on disk for exactly as long as the code that they were read from is unchanged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from limner.app.schema_cache import KEPT, Known, SchemaCache
from limner.graph import FileChoices, Input, Lane, NodeSchema, Output, Traits

SCHEMAS = [
    NodeSchema(
        "Example",
        (
            Input("file", "COMBO", choices=FileChoices("loras", extra=("none",)), options={"tooltip": "which"}),
            Input("size", "COMBO", choices=("small", 3)),
            Input("strength", "FLOAT", options={"default": 1.0, "min": -1.0, "max": 1.0}),
        ),
        (Output("IMAGE", "IMAGE", is_list=True),),
        Traits(lane=Lane.CPU, output=True),
        display_name="An example",
        info={"search_aliases": ["sample"]},
    )
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "nodes" / "deeper"
    folder.mkdir(parents=True)
    (folder / "one.py").write_text("a = 1\n")
    return tmp_path / "nodes"


def test_what_was_saved_is_loaded(source: Path, tmp_path: Path) -> None:
    SchemaCache([source], tmp_path / "cache").save(SCHEMAS, {"a pack": "it has no nodes"})
    assert SchemaCache([source], tmp_path / "cache").load() == Known(SCHEMAS, {"a pack": "it has no nodes"})


def test_changed_code_has_no_cache(source: Path, tmp_path: Path) -> None:
    SchemaCache([source], tmp_path / "cache").save(SCHEMAS)
    os.utime(source / "deeper" / "one.py", ns=(1, 1))
    assert SchemaCache([source], tmp_path / "cache").load() is None


def test_a_damaged_cache_counts_as_none_and_can_be_written_anew(source: Path, tmp_path: Path) -> None:
    cache = SchemaCache([source], tmp_path / "cache")
    cache.save(SCHEMAS)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    assert cache.load() is None
    cache.save(SCHEMAS)
    assert cache.load() == Known(SCHEMAS, {})


def test_a_folder_that_cannot_be_written_costs_only_the_cache(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = SchemaCache([source], tmp_path / "file" / "cache")
    cache.save(SCHEMAS)
    assert cache.load() is None


def test_caches_of_older_code_are_removed_in_the_end(source: Path, tmp_path: Path) -> None:
    for turn in range(KEPT + 3):
        os.utime(source / "deeper" / "one.py", ns=(turn, turn))
        SchemaCache([source], tmp_path / "cache").save(SCHEMAS)
    assert len(list((tmp_path / "cache").iterdir())) == KEPT
