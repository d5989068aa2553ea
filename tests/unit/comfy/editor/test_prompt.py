"""What an editor's workflow becomes: links, modes, widgets."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from limner.comfy.workflow import as_prompt, read_workflow
from limner.graph import Catalog, Input, InvalidGraph, NodeSchema, Output, Presence
from tests.support.workflows import editor_node, editor_workflow, small_catalog


def convert(workflow: Any, catalog: Catalog | None = None) -> Any:
    return as_prompt(workflow, catalog or small_catalog(), random=Random(1))


def source(link_out: int = 1, **more: Any) -> dict[str, Any]:
    return editor_node(1, "Source", outputs=["IMAGE"], values=[7, "randomize", 0.25], **more)


def save(identifier: int, link: int | None, **more: Any) -> dict[str, Any]:
    return editor_node(identifier, "Save", [("images", "IMAGE", link)], values=["out"], **more)


def filtered(identifier: int, link: int | None, **more: Any) -> dict[str, Any]:
    inputs = [("image", "IMAGE", link)]
    return editor_node(identifier, "Filter", inputs, ["IMAGE", "MASK"], ["words", "hard"], **more)


def test_widgets_then_links_and_no_control_widget() -> None:
    prompt = convert(editor_workflow([source(), save(2, 1)], [(1, 1, 0, 2, 0)]))
    assert prompt["1"] == {"inputs": {"seed": 7, "amount": 0.25}, "class_type": "Source", "_meta": {"title": "Source"}}
    assert prompt["2"]["inputs"] == {"name": "out", "images": ["1", 0]}


def test_links_as_objects_of_version_one_read_the_same() -> None:
    nodes = [source(), save(2, 1)]
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    newer = editor_workflow(nodes) | {"version": 1, "links": [dict(zip(keys, (1, 1, 0, 2, 0), strict=True))]}
    assert convert(newer) == convert(editor_workflow(nodes, [(1, 1, 0, 2, 0)]))


def test_a_muted_node_is_left_out_with_the_links_to_it() -> None:
    prompt = convert(editor_workflow([source(mode=2), save(2, 1)], [(1, 1, 0, 2, 0)]))
    assert list(prompt) == ["2"]
    assert prompt["2"]["inputs"] == {"name": "out"}


def test_a_bypassed_node_passes_its_input_of_the_same_type_on() -> None:
    nodes = [source(), filtered(2, 1, mode=4), save(3, 2)]
    prompt = convert(editor_workflow(nodes, [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)]))
    assert list(prompt) == ["1", "3"]
    assert prompt["3"]["inputs"]["images"] == ["1", 0]


def test_a_bypassed_node_without_a_matching_input_gives_nothing() -> None:
    nodes = [source(), filtered(2, 1, mode=4), editor_node(3, "Filter", [("mask", "MASK", 2)], values=["", "soft"])]
    prompt = convert(editor_workflow(nodes, [(1, 1, 0, 2, 0), (2, 2, 1, 3, 0)]))
    assert prompt["3"]["inputs"] == {"text": "", "mode": "soft"}


def test_chains_of_reroutes_and_bypassed_nodes_are_followed() -> None:
    reroutes = [editor_node(n, "Reroute", [("", "*", n)], ["*"]) for n in range(10, 14)]
    nodes = [source(), *reroutes, filtered(20, 14, mode=4), save(30, 20)]
    links = [(10, 1, 0, 10, 0), *((n, n - 1, 0, n, 0) for n in range(11, 14)), (14, 13, 0, 20, 0), (20, 20, 0, 30, 0)]
    prompt = convert(editor_workflow(nodes, links))
    assert list(prompt) == ["1", "30"]
    assert prompt["30"]["inputs"]["images"] == ["1", 0]


def test_a_circle_of_reroutes_is_a_problem_that_names_the_input() -> None:
    nodes = [
        editor_node(1, "Reroute", [("", "*", 2)], ["*"]),
        editor_node(2, "Reroute", [("", "*", 1)], ["*"]),
        save(3, 3),
    ]
    with pytest.raises(InvalidGraph) as caught:
        convert(editor_workflow(nodes, [(1, 1, 0, 2, 0), (2, 2, 0, 1, 0), (3, 1, 0, 3, 0)]))
    (problem,) = caught.value.problems
    assert (problem.code, problem.node, problem.input) == ("dependency_cycle", "3", "images")


def test_a_primitive_writes_its_value_into_every_widget_it_leads_to() -> None:
    primitive = editor_node(5, "PrimitiveNode", outputs=["INT"], values=[99, "fixed"])
    nodes = [
        editor_node(1, "Source", [("seed", "INT", 1, "seed")], ["IMAGE"], [7, "randomize", 0.25]),
        primitive,
        save(2, 2),
    ]
    prompt = convert(editor_workflow(nodes, [(1, 5, 0, 1, 0), (2, 1, 0, 2, 0)]))
    assert list(prompt) == ["1", "2"]
    assert prompt["1"]["inputs"] == {"seed": 99, "amount": 0.25}


def test_a_widget_that_was_made_an_input_takes_its_link() -> None:
    nodes = [
        editor_node(1, "Number", outputs=["FLOAT"], values=[0.75]),
        editor_node(2, "Source", [("amount", "FLOAT", 1, "amount")], ["IMAGE"], [7, "fixed", 0.25]),
        save(3, 2),
    ]
    number = NodeSchema("Number", (Input("value", "FLOAT"),), (Output("FLOAT", "FLOAT"),))
    catalog = Catalog([*small_catalog().values(), number])
    prompt = convert(editor_workflow(nodes, [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)]), catalog)
    assert prompt["2"]["inputs"] == {"seed": 7, "amount": ["1", 0]}


def test_notes_are_left_out() -> None:
    nodes = [source(), editor_node(8, "Note", values=["hello"]), editor_node(9, "MarkdownNote", values=["# hello"])]
    assert list(convert(editor_workflow(nodes))) == ["1"]


def test_values_that_were_never_saved_are_the_defaults() -> None:
    prompt = convert(editor_workflow([editor_node(1, "Source", outputs=["IMAGE"]), editor_node(2, "Filter")]))
    assert prompt["1"]["inputs"] == {"seed": 0, "amount": 0.5}
    assert prompt["2"]["inputs"] == {"text": "", "mode": "soft"}


def test_values_by_name_are_read_by_name() -> None:
    prompt = convert(editor_workflow([editor_node(1, "Source", outputs=["IMAGE"], values={"amount": 0.1, "seed": 3})]))
    assert prompt["1"]["inputs"] == {"seed": 3, "amount": 0.1}


def test_values_of_forced_inputs_in_old_files_are_dropped() -> None:
    forced = Input("b", "INT", options={"forceInput": True})
    catalog = Catalog([NodeSchema("Three", (Input("a", "INT"), forced, Input("c", "STRING")))])
    old = convert(editor_workflow([editor_node(1, "Three", [("b", "INT", None)], values=[1, 2, "three"])]), catalog)
    new = convert(editor_workflow([editor_node(1, "Three", [("b", "INT", None)], values=[1, "three"])]), catalog)
    assert old["1"]["inputs"] == new["1"]["inputs"] == {"a": 1, "c": "three"}


def test_a_dynamic_combo_has_the_widgets_of_its_option() -> None:
    options = [
        {"key": "small", "inputs": {"required": {"size": ["INT", {"default": 4}]}}},
        {"key": "large", "inputs": {"required": {"width": ["INT", {}], "height": ["INT", {}]}}},
    ]
    kind = Input("shape", "COMFY_DYNAMICCOMBO_V3", options={"options": options})
    catalog = Catalog([NodeSchema("Shaped", (kind, Input("last", "STRING")))])
    large = convert(editor_workflow([editor_node(1, "Shaped", values=["large", 8, 9, "end"])]), catalog)
    assert large["1"]["inputs"] == {"shape": "large", "shape.width": 8, "shape.height": 9, "last": "end"}
    small = convert(editor_workflow([editor_node(1, "Shaped", values=["small", 8, "end"])]), catalog)
    assert small["1"]["inputs"] == {"shape": "small", "shape.size": 8, "last": "end"}


def test_lists_are_wrapped_so_that_they_are_no_links() -> None:
    catalog = Catalog([NodeSchema("Many", (Input("picked", "COMBO", choices=("a", "b")),))])
    prompt = convert(editor_workflow([editor_node(1, "Many", values=[["a", "b"]])]), catalog)
    assert prompt["1"]["inputs"] == {"picked": {"__value__": ["a", "b"]}}


def test_a_node_type_that_is_not_in_the_catalog_keeps_what_the_file_says_of_it() -> None:
    node = editor_node(1, "Unknown", [("image", "IMAGE", 1), ("strength", "FLOAT", None, "strength")], values=[0.5])
    prompt = convert(editor_workflow([node, source() | {"id": 2}], [(1, 2, 0, 1, 0)]))
    assert prompt["1"]["class_type"] == "Unknown"
    assert prompt["1"]["inputs"] == {"strength": 0.5, "image": ["2", 0]}


def test_the_pack_of_a_node_is_told_if_the_file_says_it_properly() -> None:
    good = {"cnr_id": "my-pack", "aux_id": "someone/my-pack", "ver": "v1.2.3"}
    bad = {"cnr_id": "-bad-", "aux_id": "no slash", "ver": "latest"}
    prompt = convert(editor_workflow([source(properties=good), source(properties=bad) | {"id": 2}]))
    assert prompt["1"]["_meta"] == {"title": "Source", "cnr_id": "my-pack", "aux_id": "someone/my-pack", "ver": "1.2.3"}
    assert prompt["2"]["_meta"] == {"title": "Source"}


def test_choices_in_a_text_are_taken_when_it_is_converted() -> None:
    node = editor_node(1, "Filter", values=["a {red|green} // not this\napple", "soft"])
    texts = {convert_with(node, seed)["1"]["inputs"]["text"] for seed in range(20)}
    assert texts == {"a red \napple", "a green \napple"}


def convert_with(node: Any, seed: int) -> Any:
    return as_prompt(editor_workflow([node]), small_catalog(), random=Random(seed))


def test_a_chain_of_ten_thousand_nodes_converts_without_recursion() -> None:
    count = 10_000
    nodes = [source() | {"id": 1}]
    nodes += [filtered(n, n, mode=4 if n % 2 else 0) for n in range(2, count)]
    nodes += [save(count, count)]
    links = [(n, n - 1, 0, n, 0) for n in range(2, count + 1)]
    graph = read_workflow(editor_workflow(nodes, links), small_catalog())
    assert len(graph) == 1 + (count - 2) // 2 + 1
    reroutes = [editor_node(n, "Reroute", [("", "*", n)], ["*"]) for n in range(2, count)]
    graph = read_workflow(editor_workflow([source(), *reroutes, save(count, count)], links), small_catalog())
    assert len(graph) == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"nodes": [{"type": "Source"}]},
        {"nodes": [{"id": 1}]},
        {"nodes": "none"},
    ],
)
def test_what_is_no_workflow_is_a_problem(broken: Any) -> None:
    with pytest.raises(InvalidGraph) as caught:
        read_workflow(broken, small_catalog())
    assert all(problem.remedy for problem in caught.value.problems)


def test_links_without_ends_are_ignored() -> None:
    broken = editor_workflow([source(), save(2, 5)], [(5, 77, 0, 2, 0)]) | {"links": [[5, 77, 0, 2, 0, "*"], None, [1]]}
    assert convert(broken)["2"]["inputs"] == {"name": "out"}


def test_optional_inputs_come_after_required_ones_whatever_the_file_says() -> None:
    catalog = Catalog([NodeSchema("Two", (Input("b", "INT"), Input("a", "INT", Presence.OPTIONAL)))])
    prompt = convert(editor_workflow([editor_node(1, "Two", values=[1, 2])]), catalog)
    assert prompt["1"]["inputs"] == {"b": 1, "a": 2}
