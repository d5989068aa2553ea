"""API-form prompts as graphs, and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.comfy.api_form import read_prompt, write_prompt
from limner.graph import InvalidGraph, Link

NAMES = st.text(min_size=1, max_size=5)
LITERALS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.lists(st.integers(), min_size=3, max_size=4),
    st.dictionaries(NAMES, st.integers(), max_size=2),
)
LINKS = st.tuples(NAMES, st.integers(0, 9)).map(list)
NODES = st.fixed_dictionaries(
    {"class_type": NAMES, "inputs": st.dictionaries(NAMES, st.one_of(LITERALS, LINKS), max_size=4)},
    optional={"_meta": st.fixed_dictionaries({"title": NAMES})},
)


@given(st.dictionaries(NAMES, NODES, max_size=5))
def test_a_prompt_survives_being_read_and_written(prompt: dict[str, Any]) -> None:
    assert write_prompt(read_prompt(prompt)) == prompt


def test_links_literals_and_titles() -> None:
    inputs = {
        "model": ["4", 0],
        "number": [4, 1.0],
        "many": [1, 2, 3],
        "wrapped": {"__value__": ["4", 0]},
        "text": ["4", "0"],
    }
    graph = read_prompt({"3": {"class_type": "KSampler", "inputs": inputs, "_meta": {"title": "Sample"}}})
    node = graph.nodes["3"]
    assert (node.type, node.title) == ("KSampler", "Sample")
    assert node.inputs["model"] == Link("4", 0)
    assert node.inputs["number"] == Link("4", 1)
    assert node.inputs["many"] == [1, 2, 3]
    assert node.inputs["wrapped"] == {"__value__": ["4", 0]}
    assert node.inputs["text"] == ["4", "0"]


def test_a_node_without_inputs_has_none() -> None:
    assert read_prompt({"1": {"class_type": "A"}}).nodes["1"].inputs == {}


def test_every_problem_is_gathered() -> None:
    broken = {
        "1": {},
        "2": "x",
        "3": {"class_type": 5},
        "4": {"class_type": "A", "inputs": []},
        "5": {"class_type": "A"},
    }
    with pytest.raises(InvalidGraph) as caught:
        read_prompt(broken)
    assert [problem.node for problem in caught.value.problems] == ["1", "2", "3", "4"]
    assert all(problem.remedy and problem.code == "invalid_prompt" for problem in caught.value.problems)


@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_what_is_no_object_is_a_problem(data: Any) -> None:
    with pytest.raises(InvalidGraph, match="not an object"):
        read_prompt(data)
