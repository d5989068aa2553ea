"""Lanes that packs declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.comfy.manifest import Lanes, Manifest, Permissions, declared_lanes, read_manifest
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


def test_a_pack_says_that_it_is_isolated(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    assert read_manifest(pack) == Manifest()
    write(pack, '[tool.limner]\nlane = "cpu"\n')
    assert not read_manifest(pack).isolate
    write(pack, '[tool.limner]\nrequirements = ["numpy<2"]\n')
    assert read_manifest(pack) == Manifest(isolate=True, requirements=("numpy<2",))
    (pack / "limner.toml").write_text('python = "3.12"\nrequirements = []\npermissions = { folders = ["models"] }\n')
    assert read_manifest(pack) == Manifest(
        isolate=True, python="3.12", requirements=(), permissions=Permissions(folders=("models",))
    )
    (pack / "limner.toml").write_text("isolate = false\n[lanes]\nA = 'io'\n")
    assert read_manifest(pack) == Manifest(Lanes(None, {"A": Lane.IO}), False, "", ("numpy<2",))


def test_what_the_user_decided_wins(tmp_path: Path) -> None:
    pack = tmp_path / "my pack"
    pack.mkdir()
    (pack / "limner.toml").write_text("isolate = false")
    (tmp_path / "alone.py").touch()
    (tmp_path / ".limner.toml").write_text('[packs."my pack"]\nisolate = true\n[packs.alone]\nisolate = true\n')
    assert read_manifest(pack).isolate
    assert read_manifest(tmp_path / "alone.py").isolate
    assert not read_manifest(tmp_path / "another").isolate


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("isolate = 1", "isolate is 1, and must be a bool"),
        ("python = 3.12", "python is 3.12"),
        ('requirements = "numpy"', "requirements is no list of texts"),
        ("permissions = { internet = true }", "a table of network, folders and subprocess"),
        ("permissions = { network = 'yes' }", "network is 'yes'"),
        ("isolate = ", "is not TOML"),
    ],
)
def test_nonsense_is_said_with_the_file(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "limner.toml").write_text(text)
    with pytest.raises(ValueError, match=rf"limner\.toml.*{says}"):
        read_manifest(tmp_path)
