"""Reading workflow files, and changing their inputs from the command line."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from limner.cli.errors import BadInput
from limner.cli.workflow_file import Prompt, advance_seeds, read, set_input, set_seed
from limner.graph import Catalog, Input, NodeSchema

CATALOG = Catalog(
    [
        NodeSchema(
            "Sampler",
            (
                Input("seed", "INT"),
                Input("cfg", "FLOAT"),
                Input("sampler", "COMBO", choices=("euler", "7")),
                Input("label", "STRING"),
                Input("tiled", "BOOLEAN"),
            ),
        ),
        NodeSchema("Saver", (Input("prefix", "STRING"),)),
    ]
)


def prompt() -> Prompt:
    return {
        "3": {"class_type": "Sampler", "inputs": {"seed": 5, "cfg": 1.0}, "_meta": {"title": "The v1.5 sampler"}},
        "4": {"class_type": "Sampler", "inputs": {"seed": ["9", 0]}},
        "9": {"class_type": "Saver", "inputs": {}},
    }


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(**texts: str) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    text = b"".join(chunk(b"tEXt", key.encode() + b"\0" + value.encode("latin-1")) for key, value in texts.items())
    return b"\x89PNG\r\n\x1a\n" + head + text + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("assignment", "node", "name", "value"),
    [
        ("3.seed=7", "3", "seed", 7),
        ("3.cfg=2.5", "3", "cfg", 2.5),
        ("3.label=12", "3", "label", "12"),
        ("3.label=a=b.c", "3", "label", "a=b.c"),
        ("3.sampler=7", "3", "sampler", "7"),
        ("3.tiled=True", "3", "tiled", True),
        ('3.cfg=["9", 0]', "3", "cfg", ["9", 0]),
        ("The v1.5 sampler.seed=1", "3", "seed", 1),
        ("Saver.prefix=x", "9", "prefix", "x"),
    ],
)
def test_an_input_is_set_by_id_title_or_type(assignment: str, node: str, name: str, value: object) -> None:
    changed = prompt()
    set_input(changed, CATALOG, assignment)
    assert changed[node]["inputs"][name] == value
    assert type(changed[node]["inputs"][name]) is type(value)


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("seed", "NODE.INPUT=VALUE"),
        ("3=4", "NODE.INPUT=VALUE"),
        ("12.seed=4", "no node of the workflow is called '12'"),
        ("Sampler.seed=4", "could be any of the nodes 3, 4"),
        ("3.sede=4", "has no input 'sede'"),
        ("3.seed=much", "'much' is not a whole number"),
        ("3.tiled=maybe", "'maybe' is not true or false"),
    ],
)
def test_what_cannot_be_set_is_said_with_a_remedy(assignment: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        set_input(prompt(), CATALOG, assignment)
    assert says in caught.value.problem + caught.value.remedy
    assert caught.value.remedy


def test_seeds_that_are_linked_are_left_alone() -> None:
    changed = prompt()
    assert set_seed(changed, 42) == 1
    assert changed["3"]["inputs"]["seed"] == 42
    assert changed["4"]["inputs"]["seed"] == ["9", 0]
    assert advance_seeds(changed) == 1
    assert changed["3"]["inputs"]["seed"] == 43


def test_the_last_seed_is_followed_by_the_first() -> None:
    changed = prompt()
    set_seed(changed, 2**64 - 1)
    advance_seeds(changed)
    assert changed["3"]["inputs"]["seed"] == 0


@pytest.mark.parametrize("wrapped", [False, True])
def test_api_form_is_read_plain_or_as_a_request(tmp_path: Path, wrapped: bool) -> None:
    file = tmp_path / "w.json"
    file.write_text(json.dumps({"prompt": prompt(), "client_id": "x"} if wrapped else prompt()))
    assert read(file).to_prompt(CATALOG) == prompt()


def test_a_picture_gives_both_forms_of_its_workflow(tmp_path: Path) -> None:
    file = tmp_path / "w.png"
    file.write_bytes(png(prompt=json.dumps(prompt()), workflow='{"nodes": [], "links": []}'))
    workflow = read(file)
    assert workflow.to_prompt(CATALOG) == prompt()
    assert workflow.workflow == {"nodes": [], "links": []}


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is not JSON"),
    "broken": (b'{"3": {', "is not JSON"),
    "binary": (bytes(range(256)), "is not JSON"),
    "deep": (b"[" * 100_000, "is not JSON"),
    "a list": (b"[1, 2]", "no workflow"),
    "other JSON": (b'{"name": "x"}', "no workflow"),
    "empty": (b"{}", "no workflow"),
    "nodes without form": (b'{"3": {"class_type": "Sampler", "inputs": 3}}', "no JSON object with inputs"),
    "no workflow inside": (png(comment="hello"), "no workflow inside"),
    "damaged text": (png(prompt="{"), "is damaged"),
    "cut picture": (png(prompt=json.dumps(prompt()))[:40], "workflow"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_bad_input(tmp_path: Path, name: str) -> None:
    data, says = BAD[name]
    file = tmp_path / "w"
    file.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        read(file).to_prompt(CATALOG)
    assert says in caught.value.problem
    assert caught.value.remedy


def test_a_missing_file_and_a_folder_are_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            read(path)


def test_reading_leaves_the_original_alone(tmp_path: Path) -> None:
    file = tmp_path / "w.json"
    file.write_text(json.dumps(prompt()))
    workflow = read(file)
    changed: dict[str, Any] = workflow.to_prompt(CATALOG)
    changed["3"]["inputs"]["seed"] = 99
    assert workflow.to_prompt(CATALOG) == prompt()
