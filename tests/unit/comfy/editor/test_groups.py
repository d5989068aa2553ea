"""Group nodes of older editors."""

from __future__ import annotations

from typing import Any

import pytest

from limner.comfy.workflow import as_prompt
from limner.graph import InvalidGraph
from tests.support.workflows import editor_node, editor_workflow, small_catalog


def group() -> dict[str, Any]:
    """Source -> Filter; the second Filter is fed from outside."""
    return {
        "nodes": [
            editor_node(0, "Source", outputs=["IMAGE"], values=[1, "randomize", 0.1]),
            editor_node(0, "Filter", [("image", "IMAGE", None)], ["IMAGE", "MASK"], ["first", "soft"]),
            editor_node(0, "Filter", [("image", "IMAGE", None)], ["IMAGE", "MASK"], ["second", "hard"]),
        ],
        "links": [[0, 0, 1, 0, 7, "IMAGE"], [None, 0, 2, 0, 8, "IMAGE"]],
        "external": [],
    }


def convert(instance: dict[str, Any], links: Any = (), defined: dict[str, Any] | None = None) -> Any:
    nodes = [
        instance,
        editor_node(20, "Source", outputs=["IMAGE"], values=[2, "fixed", 0.2]),
        editor_node(21, "Save", [("images", "IMAGE", 2)], values=["out"]),
    ]
    extra = {"groupNodes": {"mine": group() if defined is None else defined}}
    return as_prompt(editor_workflow(nodes, links, extra=extra), small_catalog())


@pytest.mark.parametrize("prefix", ["workflow>", "workflow/"])
def test_a_group_is_opened_with_its_instances_values(prefix: str) -> None:
    slots = [("Filter image", "IMAGE", 1), ("image", "IMAGE", None)]
    values = [5, "fixed", 0.5, "one", "hard", "two", "soft"]
    instance = editor_node(10, f"{prefix}mine", [("image", "IMAGE", 1), *slots[:0]], ["IMAGE", "MASK"], values)
    prompt = convert(instance, [(1, 20, 0, 10, 0), (2, 10, 0, 21, 0)])
    assert {name: node["class_type"] for name, node in prompt.items() if ":" in name} == {
        "25:22": "Source",
        "25:23": "Filter",
        "25:24": "Filter",
    }
    assert prompt["25:22"]["inputs"] == {"seed": 5, "amount": 0.5}
    assert prompt["25:23"]["inputs"] == {"text": "one", "mode": "hard", "image": ["25:22", 0]}
    assert prompt["25:24"]["inputs"] == {"text": "two", "mode": "soft", "image": ["20", 0]}


def test_outputs_that_nothing_inside_takes_are_the_groups() -> None:
    instance = editor_node(10, "workflow>mine", (), ["MASK", "MASK"], [5, "fixed", 0.5, "one", "hard", "two", "soft"])
    assert convert(instance, [(2, 10, 0, 21, 0)])["21"]["inputs"]["images"] == ["25:23", 0]
    assert convert(instance, [(2, 10, 2, 21, 0)])["21"]["inputs"]["images"] == ["25:24", 0]


def test_an_output_marked_external_is_the_groups_though_it_is_taken_inside() -> None:
    marked = group() | {"external": [[0, 0, "IMAGE"]]}
    instance = editor_node(10, "workflow>mine", (), ["IMAGE"], [])
    assert convert(instance, [(2, 10, 0, 21, 0)], marked)["21"]["inputs"]["images"] == ["25:22", 0]


def test_an_instance_without_values_keeps_those_of_the_group() -> None:
    prompt = convert(editor_node(10, "workflow>mine"))
    assert prompt["25:22"]["inputs"] == {"seed": 1, "amount": 0.1}
    assert prompt["25:24"]["inputs"] == {"text": "second", "mode": "hard"}


def test_a_primitive_in_a_group_is_an_input_of_it() -> None:
    made = {
        "nodes": [
            editor_node(0, "PrimitiveNode", outputs=["INT"], values=[3, "fixed"], title="Number"),
            editor_node(0, "Source", [("seed", "INT", None, "seed")], ["IMAGE"], [1, "randomize", 0.1]),
        ],
        "links": [[0, 0, 1, 0, 7, "INT"]],
    }
    prompt = convert(editor_node(10, "workflow>mine", (), ["IMAGE"], [77, "fixed", 0.9]), defined=made)
    assert prompt["24:23"]["inputs"] == {"seed": 77, "amount": 0.9}


def test_a_group_that_holds_itself_is_a_problem() -> None:
    with pytest.raises(InvalidGraph):
        convert(editor_node(10, "workflow>mine"), defined={"nodes": [editor_node(0, "workflow>mine")], "links": []})


def test_groups_in_groups_are_opened() -> None:
    nodes = [editor_node(10, "workflow>outer", (), ["MASK"], [5, "fixed", 0.5])]
    outer = {"nodes": [editor_node(0, "workflow>mine", (), ["MASK", "MASK"])], "links": []}
    extra = {"groupNodes": {"mine": group(), "outer": outer}}
    prompt = as_prompt(editor_workflow(nodes, extra=extra), small_catalog())
    assert [node["class_type"] for node in prompt.values()] == ["Source", "Filter", "Filter"]


def test_a_group_that_is_not_defined_is_a_problem_that_names_it() -> None:
    with pytest.raises(InvalidGraph) as caught:
        convert(editor_node(10, "workflow>other"))
    assert caught.value.problems[0].node == "10"
    assert "other" in caught.value.problems[0].message and caught.value.problems[0].remedy
