"""Lanes that packs declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.comfy.manifest import declared_lanes
from limner.comfy.v1_schema import schema_of
from limner.graph import Lane


class Plain:
    RETURN_TYPES = ("INT",)
    FUNCTION = "go"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:
        return {"required": {}}

    def go(self) -> tuple[int]:
        return (1,)


class Own(Plain):
    LANE = "io"


class Coroutine(Plain):
    async def go(self) -> tuple[int]:  # type: ignore[override]
        return (1,)


def lane(pack: Path, cls: type, node_type: str = "A") -> Lane:
    return declared_lanes(pack).of(schema_of(node_type, cls), cls).traits.lane


def write(pack: Path, text: str) -> Path:
    (pack / "pyproject.toml").write_text(text)
    return pack


def test_without_a_word_nodes_take_the_device_lane(tmp_path: Path) -> None:
    assert lane(tmp_path, Plain) is Lane.DEVICE
    assert lane(write(tmp_path, "this is not TOML"), Plain) is Lane.DEVICE


def test_a_class_names_its_lane(tmp_path: Path) -> None:
    assert lane(tmp_path, Own) is Lane.IO


def test_a_manifest_names_that_of_all_and_of_single_nodes(tmp_path: Path) -> None:
    pack = write(tmp_path, '[tool.limner]\nlane = "cpu"\n[tool.limner.lanes]\nB = "device"\n')
    assert lane(pack, Plain) is Lane.CPU
    assert lane(pack, Plain, "B") is Lane.DEVICE
    assert lane(pack, Own) is Lane.IO, "the class wins"
    assert lane(pack, Coroutine) is Lane.ASYNC


@pytest.mark.parametrize("text", ['lane = "gpu"', "lane = 3", 'lanes = "cpu"', 'lanes = {A = "async"}'])
def test_what_is_no_lane_is_said_with_the_file(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pyproject\.toml"):
        declared_lanes(write(tmp_path, f"[tool.limner]\n{text}\n"))
