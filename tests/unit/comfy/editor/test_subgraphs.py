"""Subgraphs: opened where they stand, with the values that their instances hold."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from limner.comfy.workflow import as_prompt
from limner.graph import InvalidGraph
from tests.support.workflows import editor_node, editor_workflow, small_catalog, subgraph

INNER = "11111111-1111-4111-8111-111111111111"
OUTER = "22222222-2222-4222-8222-222222222222"


def convert(workflow: Any) -> Any:
    return as_prompt(workflow, small_catalog())


def inner(node: int = 5) -> dict[str, Any]:
    """Filters an image; its inputs are the image and the filter's text."""
    inputs = [("image", "IMAGE", 1), ("text", "STRING", 2, "text")]
    nodes = [editor_node(node, "Filter", inputs, ["IMAGE", "MASK"], ["inside", "hard"])]
    links = [(1, -10, 0, node, 0), (2, -10, 1, node, 1), (3, node, 0, -20, 0)]
    return subgraph(INNER, nodes, links, [("image", "IMAGE", [1]), ("text", "STRING", [2])], [("out", "IMAGE", [3])])


def host(identifier: int, image: int | None, text: int | None = None, **more: Any) -> dict[str, Any]:
    slots = [("image", "IMAGE", image), ("text", "STRING", text, "text")]
    return editor_node(identifier, INNER, slots, ["IMAGE"], **more)


def workflow(*hosts: dict[str, Any], definitions: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """Source -> the host -> Save."""
    nodes = [
        editor_node(1, "Source", outputs=["IMAGE"], values=[7, "fixed", 0.25]),
        *hosts,
        editor_node(9, "Save", [("images", "IMAGE", 11)], values=["out"]),
    ]
    links = [(10, 1, 0, 2, 0), (11, 2, 0, 9, 0)]
    return editor_workflow(nodes, links, definitions={"subgraphs": definitions or [inner()]}, **more)


def test_the_inner_node_stands_in_for_the_instance() -> None:
    prompt = convert(workflow(host(2, 10)))
    assert list(prompt) == ["1", "9", "2:5"]
    assert prompt["2:5"]["inputs"] == {"text": "inside", "mode": "hard", "image": ["1", 0]}
    assert prompt["9"]["inputs"]["images"] == ["2:5", 0]


def test_an_instance_holds_its_own_value_for_a_promoted_widget() -> None:
    prompt = convert(workflow(host(2, 10, values=["mine"])))
    assert prompt["2:5"]["inputs"]["text"] == "mine"


def test_two_instances_hold_different_values() -> None:
    second = host(3, None, values=["second"])
    prompt = convert(workflow(host(2, 10, values=["first"]), second))
    assert prompt["2:5"]["inputs"]["text"] == "first"
    assert prompt["3:5"]["inputs"] == {"text": "second", "mode": "hard"}


def test_proxies_give_values_to_widgets_that_no_input_leads_to() -> None:
    proxies = {"proxyWidgets": [["5", "mode"], ["-1", "text"]]}
    prompt = convert(workflow(host(2, 10, values=["soft", "mine"], properties=proxies)))
    assert prompt["2:5"]["inputs"] == {"text": "mine", "mode": "soft", "image": ["1", 0]}


def test_a_proxy_may_carry_the_path_of_nodes_before_its_name() -> None:
    proxies = {"proxyWidgets": [["5", "5: mode"]]}
    assert convert(workflow(host(2, 10, values=["soft"], properties=proxies)))["2:5"]["inputs"]["mode"] == "soft"


def test_nested_subgraphs_resolve_through_every_wall() -> None:
    nested = editor_node(6, INNER, [("image", "IMAGE", 1), ("text", "STRING", 2, "text")], ["IMAGE"])
    links = [(1, -10, 0, 6, 0), (2, -10, 1, 6, 1), (3, 6, 0, -20, 0)]
    outer = subgraph(
        OUTER, [nested], links, [("image", "IMAGE", [1]), ("text", "STRING", [2])], [("out", "IMAGE", [3])]
    )
    top = host(2, 10, values=["from the top"]) | {"type": OUTER}
    for definitions in ([inner(), outer], [outer | {"definitions": {"subgraphs": [inner()]}}]):
        prompt = convert(workflow(top, definitions=definitions))
        assert prompt["2:6:5"]["inputs"] == {"text": "from the top", "mode": "hard", "image": ["1", 0]}
        assert prompt["9"]["inputs"]["images"] == ["2:6:5", 0]


def test_a_linked_input_goes_before_the_value_that_is_held() -> None:
    nodes = workflow(host(2, 10, 12, values=["held"]))
    nodes["nodes"].append(editor_node(20, "Filter", outputs=["STRING"], values=["", "soft"]))
    nodes["links"].append([12, 20, 0, 2, 1, "*"])
    assert convert(nodes)["2:5"]["inputs"]["text"] == ["20", 0]


@pytest.mark.parametrize(("mode", "images"), [(2, None), (4, ["1", 0])])
def test_an_instance_may_be_muted_or_bypassed(mode: int, images: Any) -> None:
    prompt = convert(workflow(host(2, 10, mode=mode)))
    assert list(prompt) == ["1", "9"]
    assert prompt["9"]["inputs"].get("images") == images


def test_nodes_of_subgraphs_get_ids_of_their_own() -> None:
    prompt = convert(workflow(host(2, 10, values=["mine"]), definitions=[inner(node=9)], last_node_id=30))
    assert list(prompt) == ["1", "9", "2:31"]
    assert prompt["2:31"]["inputs"] == {"text": "mine", "mode": "hard", "image": ["1", 0]}


def test_proxies_follow_nodes_that_got_another_id() -> None:
    proxies = {"proxyWidgets": [["9", "mode"]]}
    made = workflow(host(2, 10, values=["soft"], properties=proxies), definitions=[inner(node=9)], last_node_id=30)
    assert convert(made)["2:31"]["inputs"]["mode"] == "soft"


def test_an_input_that_leads_straight_to_an_output_is_passed_through() -> None:
    straight = subgraph(INNER, [], [(1, -10, 0, -20, 0)], [("image", "IMAGE", [1])], [("out", "IMAGE", [1])])
    assert convert(workflow(host(2, 10), definitions=[straight]))["9"]["inputs"]["images"] == ["1", 0]


def test_a_subgraph_in_itself_is_a_problem() -> None:
    itself = subgraph(INNER, [host(6, None)], [])
    with pytest.raises(InvalidGraph, match="contains itself"):
        convert(workflow(host(2, 10), definitions=[itself]))


def test_subgraphs_that_double_without_end_are_a_problem() -> None:
    names = [f"{level:08}-1111-4111-8111-111111111111" for level in range(40)]
    definitions = [
        subgraph(name, [editor_node(1, below), editor_node(2, below)], []) for name, below in pairwise(names)
    ]
    definitions.append(subgraph(names[-1], [editor_node(1, "Source", values=[1, "fixed", 0.5])], []))
    with pytest.raises(InvalidGraph, match="more than"):
        convert(editor_workflow([editor_node(1, names[0])], definitions={"subgraphs": definitions}))


def test_a_primitive_inside_is_overruled_by_its_proxy() -> None:
    nodes = [
        editor_node(5, "Filter", [("text", "STRING", 1, "text")], ["IMAGE"], ["inside", "hard"]),
        editor_node(6, "PrimitiveNode", outputs=["STRING"], values=["primitive"]),
    ]
    made = subgraph(INNER, nodes, [(1, 6, 0, 5, 0), (2, 5, 0, -20, 0)], (), [("out", "IMAGE", [2])])
    plain = editor_node(2, INNER, (), ["IMAGE"])
    assert convert(workflow(plain, definitions=[made]))["2:5"]["inputs"]["text"] == "primitive"
    proxied = editor_node(2, INNER, (), ["IMAGE"], ["held"], properties={"proxyWidgets": [["6", "value"]]})
    assert convert(workflow(proxied, definitions=[made]))["2:5"]["inputs"]["text"] == "held"
