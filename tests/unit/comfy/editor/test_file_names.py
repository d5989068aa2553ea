"""Other nodes' values in the names of saved files, as the editor fills them in."""

from __future__ import annotations

from typing import Any

import pytest

from limner.comfy.workflow import as_prompt, with_values
from limner.graph import Catalog, Input, NodeSchema, Output, Presence
from tests.support.workflows import editor_node, editor_workflow, subgraph

PREFIX = Input("filename_prefix", "STRING")
SAMPLER = (Input("seed", "INT"), Input("cfg", "FLOAT"), Input("sampler_name", "STRING"))
CATALOG = Catalog(
    [
        NodeSchema("KSampler", inputs=SAMPLER, outputs=(Output("IMAGE", "IMAGE"),)),
        NodeSchema("SaveImage", inputs=(Input("images", "IMAGE", Presence.OPTIONAL), PREFIX)),
        NodeSchema("Other", inputs=(PREFIX,)),
    ]
)


def sampler(identifier: int = 1, **more: Any) -> dict[str, Any]:
    return editor_node(identifier, "KSampler", outputs=["IMAGE"], values=[7, "fixed", 8.0, "a/b:c"], **more)


def prefix_of(prefix: str, *nodes: dict[str, Any], kind: str = "SaveImage", **more: Any) -> Any:
    workflow = editor_workflow([editor_node(9, kind, values=[prefix]), *nodes]) | more
    return as_prompt(workflow, CATALOG)["9"]["inputs"]["filename_prefix"]


@pytest.mark.parametrize(
    ("prefix", "filled"),
    [
        ("pic_%KSampler.seed%", "pic_7"),
        ("%KSampler.seed%_%KSampler.cfg%", "7_8"),
        ("%KSampler.sampler_name%", "a_b_c"),
        ("%KSampler.nothing%", "%KSampler.nothing%"),
        ("%Nobody.seed%", "%Nobody.seed%"),
        ("%date:yyyy-MM-dd%/%width%", "%date:yyyy-MM-dd%/%width%"),
        ("%a.b.c% 100%", "%a.b.c% 100%"),
        ("no tokens", "no tokens"),
    ],
)
def test_values_of_other_nodes_are_filled_in(prefix: str, filled: str) -> None:
    assert prefix_of(prefix, sampler()) == filled


def test_a_node_is_found_by_the_name_it_was_given_then_by_its_title() -> None:
    named = sampler(properties={"Node name for S&R": "first"}, title="other")
    assert prefix_of("%first.seed% %other.seed% %KSampler.seed%", named) == "7 7 %KSampler.seed%"


def test_the_name_that_was_given_goes_before_a_title() -> None:
    titled = sampler(1, title="best") | {"widgets_values": [1, "fixed", 1.0, ""]}
    named = sampler(2, properties={"Node name for S&R": "best"})
    assert prefix_of("%best.seed%", titled, named) == "7"


def test_the_value_of_a_primitive_node_is_its_own() -> None:
    primitive = editor_node(3, "PrimitiveNode", outputs=["INT"], values=[42, "fixed"], title="Number")
    assert prefix_of("%Number.value%", primitive) == "42"


def test_nodes_inside_subgraphs_are_found() -> None:
    inner = subgraph("inner", [sampler(5)], [])
    instances = [editor_node(identifier, "inner") for identifier in (3, 4)]
    assert prefix_of("%KSampler.seed%", *instances, definitions={"subgraphs": [inner]}) == "7"


def test_only_nodes_that_save_are_filled_in() -> None:
    assert prefix_of("%KSampler.seed%", sampler(), kind="Other") == "%KSampler.seed%"


def test_values_that_are_changed_after_the_conversion_are_filled_in_last() -> None:
    workflow = editor_workflow(
        [editor_node(9, "SaveImage", values=["%best.seed%_%KSampler.x%"]), sampler(title="best")]
    )
    prompt = as_prompt(workflow, CATALOG, references=True)
    prompt["1"]["inputs"]["seed"] = 8

    assert with_values(prompt)["9"]["inputs"] == {"filename_prefix": "8_%KSampler.x%"}
    assert prompt["9"]["inputs"] == {"filename_prefix": "%1.seed%_%KSampler.x%"}
