"""Each built-in node shows the interface that ComfyUI's node of that name has, prose aside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from limner.comfy.object_info import describe
from limner.files import media_kind
from limner.graph import FileChoices
from limner.nodes.library import built_in

REFERENCE: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "fixtures/nodes/object_info.json").read_text()
)
FILES = {"checkpoints": ["sd15_random.safetensors"], "input": ["example.png"]}
NODES = {implementation.schema.type: implementation.schema for implementation in built_in()}


def list_files(choices: FileChoices) -> list[object]:
    names = FILES.get(choices.folder, [])
    fitting = [name for name in names if not choices.kinds or media_kind(name) in choices.kinds]
    return [*choices.extra, *fitting, *choices.after]


def without_prose(entry: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(entry))
    for key in ("description", "output_tooltips"):
        plain.pop(key, None)
    for section in plain["input"].values():
        for item in section.values():
            for part in item:
                if isinstance(part, dict):
                    part.pop("tooltip", None)
    return plain


def test_every_node_is_compared() -> None:
    assert set(NODES) == set(REFERENCE)


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_interface_is_comfyuis(name: str) -> None:
    assert without_prose(describe(NODES[name], list_files)) == without_prose(REFERENCE[name])


@pytest.mark.parametrize("name", sorted(NODES))
def test_node_says_what_it_does(name: str) -> None:
    assert NODES[name].description.endswith(".")
