"""The editor's form follows changes of the prompt, or is left out where it cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from limner.cli.editor_form import in_step
from limner.comfy.workflow import as_prompt
from limner.graph import Catalog, FileChoices, Input, NodeSchema, Output

CATALOG = Catalog(
    [
        NodeSchema("Make", (Input("seed", "INT"), Input("size", "INT")), (Output("IMAGE", "IMAGE"),)),
        NodeSchema("Keep", (Input("images", "IMAGE"), Input("prefix", "STRING", options={"dynamicPrompts": True}))),
        NodeSchema("SaveImage", (Input("images", "IMAGE"), Input("filename_prefix", "STRING"))),
    ]
)


def no_files(choices: FileChoices) -> list[str]:
    return []


def workflow(prefix: str = "x") -> dict[str, Any]:
    outputs = [{"name": "IMAGE", "type": "IMAGE", "links": [1]}]
    inputs = [{"name": "images", "type": "IMAGE", "link": 1}]
    return {
        "nodes": [
            {"id": 1, "type": "Make", "outputs": outputs, "widgets_values": [5, "randomize", 64]},
            {"id": 2, "type": "Keep", "inputs": inputs, "widgets_values": [prefix]},
        ],
        "links": [[1, 1, 0, 2, 0, "IMAGE"]],
        "version": 0.4,
    }


def prompt() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(as_prompt(workflow(), CATALOG, no_files)))
    return made


def test_an_unchanged_workflow_is_itself() -> None:
    document = workflow()
    assert in_step(document, prompt(), CATALOG, no_files) is document


def test_changed_values_are_put_into_their_widgets() -> None:
    changed, document = prompt(), workflow()
    changed["1"]["inputs"] |= {"seed": 9, "size": 32}
    changed["2"]["inputs"]["prefix"] = "y"
    found = in_step(document, changed, CATALOG, no_files)
    assert found is not None
    assert [node["widgets_values"] for node in found["nodes"]] == [[9, "randomize", 32], ["y"]]
    assert document == workflow(), "the original is left alone"


@pytest.mark.parametrize("chosen", ["a", "b"])
def test_a_choice_in_a_text_does_not_keep_the_workflow_out(chosen: str) -> None:
    document = workflow("{a|b}")
    changed: dict[str, Any] = as_prompt(document, CATALOG, no_files)
    changed["2"]["inputs"]["prefix"] = chosen
    found = in_step(document, changed, CATALOG, no_files)
    assert found is not None
    assert found["nodes"][1]["widgets_values"][0] in (chosen, "{a|b}")


def test_a_name_that_holds_another_nodes_value_stays_as_it_is() -> None:
    document = workflow("%Make.seed%")
    document["nodes"][1]["type"] = "SaveImage"
    changed: dict[str, Any] = as_prompt(document, CATALOG, no_files, references=True)
    changed["1"]["inputs"]["seed"] = 9
    found = in_step(document, changed, CATALOG, no_files)
    assert found is not None
    assert [node["widgets_values"] for node in found["nodes"]] == [[9, "randomize", 64], ["%Make.seed%"]]


def test_what_the_editors_form_does_not_say_leaves_it_out() -> None:
    changed = prompt()
    changed["1"]["inputs"]["size"] = ["3", 0]
    assert in_step(workflow(), changed, CATALOG, no_files) is None
    added = prompt() | {"7": {"class_type": "Make", "inputs": {}}}
    assert in_step(workflow(), added, CATALOG, no_files) is None


def test_a_workflow_without_the_editors_form_has_none() -> None:
    assert in_step(None, prompt(), CATALOG, no_files) is None
