"""The version of a pack's nodes follows its source."""

from __future__ import annotations

from pathlib import Path

from limner.comfy.packs import Pack
from limner.comfy.packs_versions import versioned
from limner.comfy.v1 import V1Node


class Number:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:
        return {"required": {}}


def version(path: Path) -> str:
    (node,) = versioned(Pack("pack", path, [V1Node("Number", Number)]))
    return node.schema.version


def test_any_source_file_counts_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "__init__.py").write_text("A = 1")
    (tmp_path / "deep" / "more.py").write_text("B = 1")
    first = version(tmp_path)
    (tmp_path / "notes.txt").write_text("changed")
    assert version(tmp_path) == first != ""
    (tmp_path / "deep" / "more.py").write_text("B = 2")
    assert version(tmp_path) != first


def test_a_pack_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "pack.py"
    path.write_text("A = 1")
    first = version(path)
    path.write_text("A = 2")
    assert version(path) != first
