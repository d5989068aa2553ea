"""The catalog as `/object_info`."""

from __future__ import annotations

import gzip
import json

import pytest

from limner.comfy.object_info import ObjectInfo, describe, encode, read_schema
from limner.graph import Catalog, FileChoices, Input, NodeSchema, Output, Presence, Traits

CHECKPOINTS = FileChoices("checkpoints")


def loader() -> NodeSchema:
    return NodeSchema("Load", (Input("name", "COMBO", choices=CHECKPOINTS, options={"tooltip": "which"}),))


def test_an_ordinary_node() -> None:
    schema = NodeSchema(
        "Mix",
        (
            Input("a", "IMAGE"),
            Input("amount", "FLOAT", options={"default": 0.5, "min": 0.0}),
            Input("mode", "COMBO", choices=("one", "two")),
            Input("mask", "MASK", Presence.OPTIONAL, explicit_options=True),
            Input("id", "UNIQUE_ID", Presence.HIDDEN),
        ),
        (Output("mixed", "IMAGE"), Output("parts", "IMAGE", is_list=True)),
        Traits(output=True, experimental=True),
        display_name="Mix them",
        category="image",
        info={"essentials_category": "Basics"},
    )
    assert describe(schema, lambda _: ()) == {
        "input": {
            "required": {"a": ["IMAGE"], "amount": ["FLOAT", {"default": 0.5, "min": 0.0}], "mode": [["one", "two"]]},
            "optional": {"mask": ["MASK", {}]},
            "hidden": {"id": "UNIQUE_ID"},
        },
        "input_order": {"required": ["a", "amount", "mode"], "optional": ["mask"], "hidden": ["id"]},
        "output": ["IMAGE", "IMAGE"],
        "output_is_list": [False, True],
        "output_name": ["mixed", "parts"],
        "name": "Mix",
        "display_name": "Mix them",
        "description": "",
        "python_module": "nodes",
        "category": "image",
        "output_node": True,
        "experimental": True,
        "essentials_category": "Basics",
    }


def test_a_node_of_the_newer_form() -> None:
    combo = Input("mode", "COMBO", choices=("one",), options={"multiselect": False}, combo_v3=True)
    schema = NodeSchema("New", (combo, Input("id", "UNIQUE_ID", Presence.HIDDEN)), (Output("x", "INT"),), v3=True)
    entry = describe(schema, lambda _: ())
    assert entry["input"]["required"]["mode"] == ["COMBO", {"multiselect": False, "options": ["one"]}]
    assert entry["input"]["hidden"] == {"id": ["UNIQUE_ID"]}
    assert entry["display_name"] is None and entry["output_tooltips"] == [None]
    assert (entry["deprecated"], entry["experimental"], entry["api_node"]) == (False, False, False)
    assert read_schema(entry).v3


def test_an_entry_survives_being_read() -> None:
    for schema in (
        loader(),
        NodeSchema("Bare"),
        NodeSchema("New", (Input("a", "INT", explicit_options=True),), v3=True),
    ):
        entry = describe(schema, lambda _: ("a", "b"))
        assert describe(read_schema(entry), lambda _: ()) == entry


def test_only_what_holds_files_is_asked_for_and_encoded_anew() -> None:
    files = ["a.safetensors"]
    asked: list[FileChoices] = []

    def listed(choices: FileChoices) -> list[object]:
        asked.append(choices)
        return list(files)

    info = ObjectInfo(Catalog([NodeSchema("Plain"), loader(), NodeSchema("Other", loader().inputs)]), listed)
    asked.clear()
    first = info.whole()
    assert asked == [CHECKPOINTS]
    assert info.whole() is first
    files.append("b.safetensors")
    second = info.whole()
    assert second.etag != first.etag
    told = json.loads(second.body)
    assert told["Load"]["input"]["required"]["name"] == [["a.safetensors", "b.safetensors"], {"tooltip": "which"}]
    assert json.loads(gzip.decompress(second.gzipped)) == told
    one = info.one("Load")
    assert one is not None and json.loads(one) == {"Load": told["Load"]}
    assert info.one("Nothing") is None


@pytest.mark.parametrize("number", [2**64 - 1, -(2**64), 2**80])
def test_numbers_of_any_size_are_encoded(number: int) -> None:
    assert json.loads(encode({"max": number})) == {"max": number}
