"""Everything that is wrong with a graph, in ComfyUI's terms."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from limner.graph import (
    Catalog,
    FileChoices,
    Graph,
    Input,
    InvalidGraph,
    Link,
    Node,
    NodeSchema,
    Output,
    Presence,
    Traits,
)
from limner.graph.validate import Verdict, validate
from tests.support.graphs import graph

NUMBER = {"min": 0, "max": 10}
CATALOG = Catalog(
    [
        NodeSchema("Int", (Input("value", "INT", options=NUMBER),), (Output("INT", "INT"),)),
        NodeSchema("Text", (Input("text", "STRING"),), (Output("STRING", "STRING"),)),
        NodeSchema("Image", (), (Output("IMAGE", "IMAGE"), Output("MASK", "MASK"))),
        NodeSchema(
            "Mixed",
            (
                Input("i", "INT", Presence.OPTIONAL, options=NUMBER),
                Input("f", "FLOAT", Presence.OPTIONAL, options={"min": -1.0, "max": 1.0}),
                Input("s", "STRING", Presence.OPTIONAL),
                Input("b", "BOOLEAN", Presence.OPTIONAL),
                Input("c", "COMBO", Presence.OPTIONAL, ("one", "two", 3)),
                Input("m", "COMBO", Presence.OPTIONAL, ("one", "two"), {"multiselect": True}),
                Input("any", "*", Presence.OPTIONAL),
                Input("file", "COMBO", Presence.OPTIONAL, FileChoices("loras", extra=("none",))),
                Input("picture", "COMBO", Presence.OPTIONAL, FileChoices("input", annotated=True)),
                Input("prompt", "PROMPT", Presence.HIDDEN),
            ),
            (Output("IMAGE", "IMAGE"),),
            Traits(output=True),
        ),
        NodeSchema("Save", (Input("images", "IMAGE"),), (), Traits(output=True)),
        NodeSchema("Union", (Input("x", "IMAGE,FLOAT"),), (Output("x", "IMAGE,FLOAT"),), Traits(output=True)),
        NodeSchema("Wild", (Input("x", "*"),), (Output("x", "*"),), Traits(output=True)),
        NodeSchema(
            "Own",
            (Input("x", "INT", options=NUMBER), Input("y", "INT", options=NUMBER)),
            (),
            Traits(output=True, has_validation=True, validated_inputs=("x",), validates_types=True),
        ),
        NodeSchema("OwnAll", (Input("x", "INT", options=NUMBER),), (), Traits(output=True, validated_inputs=("*",))),
    ]
)
FILES = {"loras": ["a.safetensors"], "input": ["in.png"], "output": ["out.png"]}


def listed(choices: FileChoices) -> list[object]:
    return [*choices.extra, *FILES.get(choices.folder, [])]


def check(wanted: Graph, targets: list[str] | None = None, **options: object) -> Verdict:
    return validate(wanted, CATALOG, targets, listed, **options)  # type: ignore[arg-type]


def mixed(**inputs: object) -> Graph:
    return Graph.of([Node("m", "Mixed", inputs)])


@dataclass(frozen=True)
class Bad:
    graph: Graph
    code: str
    node: str
    input: str
    detail: str


BAD = {
    "missing": Bad(graph(s=("Save", {})), "required_input_missing", "s", "images", "images"),
    "text for a number": Bad(
        mixed(i="five"), "invalid_input_type", "m", "i", "i, five, invalid literal for int() with base 10: 'five'"
    ),
    "nothing for a number": Bad(
        mixed(i=None),
        "invalid_input_type",
        "m",
        "i",
        "i, None, int() argument must be a string, a bytes-like object or a real number, not 'NoneType'",
    ),
    "infinity for an integer": Bad(
        mixed(i=float("inf")), "invalid_input_type", "m", "i", "i, inf, cannot convert float infinity to integer"
    ),
    "an object for a number": Bad(
        mixed(f={"a": 1}),
        "invalid_input_type",
        "m",
        "f",
        "f, {'a': 1}, float() argument must be a string or a real number, not 'dict'",
    ),
    "too small": Bad(mixed(i=-1), "value_smaller_than_min", "m", "i", "i"),
    "too small after conversion": Bad(mixed(f="-1.5"), "value_smaller_than_min", "m", "f", "f"),
    "too big": Bad(mixed(i=11), "value_bigger_than_max", "m", "i", "i"),
    "not a number": Bad(mixed(f=float("nan")), "value_smaller_than_min", "m", "f", "f"),
    "not in the list": Bad(mixed(c="four"), "value_not_in_list", "m", "c", "c: 'four' not in ['one', 'two', 3]"),
    "text for a number in a list": Bad(mixed(c="3"), "value_not_in_list", "m", "c", "c: '3' not in ['one', 'two', 3]"),
    "one of several": Bad(
        mixed(m={"__value__": ["one", "x"]}), "value_not_in_list", "m", "m", "m: 'x' not in ['one', 'two']"
    ),
    "no such file": Bad(
        mixed(file="b.safetensors"),
        "value_not_in_list",
        "m",
        "file",
        "file: 'b.safetensors' not in ['none', 'a.safetensors']",
    ),
    "outside the folder": Bad(
        mixed(file="../a.safetensors"),
        "value_not_in_list",
        "m",
        "file",
        "file: '../a.safetensors' not in ['none', 'a.safetensors']",
    ),
    "not in the folder that it names": Bad(
        mixed(picture="in.png [output]"),
        "value_not_in_list",
        "m",
        "picture",
        "picture: 'in.png [output]' not in ['out.png [output]']",
    ),
    "a list that is no link": Bad(mixed(any=["1"]), "bad_linked_input", "m", "any", "any"),
    "a link to nothing": Bad(
        graph(s=("Save", {"images": "x:0"})),
        "bad_linked_input",
        "s",
        "images",
        "images is linked to node x, which is not in the workflow",
    ),
    "a link to an output that is not there": Bad(
        graph(i=("Image", {}), s=("Save", {"images": "i:2"})),
        "bad_linked_input",
        "s",
        "images",
        "images is linked to output 2 of Image i, which has 2 outputs",
    ),
    "an undeclared link to nothing": Bad(
        graph(m=("Mixed", {"more": "x:0"})),
        "bad_linked_input",
        "m",
        "more",
        "more is linked to node x, which is not in the workflow",
    ),
    "another type": Bad(
        graph(i=("Image", {}), s=("Save", {"images": "i:1"})),
        "return_type_mismatch",
        "s",
        "images",
        "images, received_type(MASK) mismatch input_type(IMAGE)",
    ),
    "text for a list": Bad(
        graph(t=("Text", {"text": ""}), m=("Mixed", {"c": "t:0"})),
        "return_type_mismatch",
        "m",
        "c",
        "c, received_type(STRING) mismatch input_type(COMBO)",
    ),
    "its own other inputs are checked as usual": Bad(
        graph(o=("Own", {"x": 99, "y": 99})), "value_bigger_than_max", "o", "y", "y"
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_each_problem_says_what_and_where(name: str) -> None:
    bad = BAD[name]
    verdict = check(bad.graph)
    [problem] = verdict.problems
    assert (problem.code, problem.node, problem.input, problem.detail) == (bad.code, bad.node, bad.input, bad.detail)
    assert problem.remedy
    assert problem.details["input_name"] == bad.input
    assert not verdict.ok
    assert verdict.error is not None and verdict.error.code == "prompt_outputs_failed_validation"
    assert verdict.dependents == {bad.node: (bad.node,)}
    with pytest.raises(InvalidGraph, match=f"node {bad.node} input '{bad.input}'"):
        verdict.require()


GOOD = {
    "nothing that is optional": mixed(),
    "the bounds themselves": mixed(i=0, f=1.0),
    "a listed file": mixed(file="a.safetensors"),
    "a fixed choice": mixed(file="none"),
    "a file of the folder that it names": mixed(picture="out.png [output]"),
    "several of a list": mixed(m={"__value__": ["one", "two"]}),
    "a wildcard": graph(i=("Image", {}), m=("Wild", {"x": "i:1"})),
    "from a wildcard": graph(w=("Wild", {"x": 1}), s=("Save", {"images": "w:0"})),
    "one of a union": graph(i=("Image", {}), s=("Union", {"x": "i:0"})),
    "a union with a type in common": graph(u=("Union", {"x": 1.0}), s=("Save", {"images": "u:0"})),
    "what the node validates itself": graph(o=("Own", {"x": 99, "y": 1})),
    "what the node validates itself, all of it": graph(o=("OwnAll", {"x": 99})),
    "types that the node validates itself": graph(i=("Image", {}), o=("Own", {"x": "i:0", "y": 1})),
    "an unknown literal": mixed(something={"else": 1}),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right_passes(name: str) -> None:
    verdict = check(GOOD[name])
    assert verdict.problems == ()
    assert verdict.ok
    assert verdict.require() is verdict


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("i", "5", 5),
        ("i", 5.7, 5),
        ("i", True, 1),
        ("f", "0.5", 0.5),
        ("f", 1, 1.0),
        ("s", 5, "5"),
        ("s", None, "None"),
        ("b", "false", True),
        ("b", 0, False),
        ("any", {"__value__": [1, 2]}, [1, 2]),
        ("any", {"a": 1}, {"a": 1}),
    ],
)
def test_literals_become_the_type_of_their_input(name: str, given: object, expected: object) -> None:
    verdict = check(mixed(**{name: given}))
    assert verdict.problems == ()
    value = verdict.graph.nodes["m"].inputs[name]
    assert (value, type(value)) == (expected, type(expected))


def test_all_problems_are_gathered() -> None:
    verdict = check(
        graph(i=("Int", {"value": 99}), s=("Save", {"images": "i:0"}), m=("Mixed", {"i": "x", "f": 5, "c": 1}))
    )
    assert [(problem.node, problem.code) for problem in verdict.problems] == [
        ("i", "value_bigger_than_max"),
        ("s", "return_type_mismatch"),
        ("m", "invalid_input_type"),
        ("m", "value_bigger_than_max"),
        ("m", "value_not_in_list"),
    ]


def test_the_outputs_that_are_right_run() -> None:
    verdict = check(
        graph(
            i=("Image", {}),
            bad=("Int", {"value": -5}),
            a=("Save", {"images": "i:0"}),
            b=("Mixed", {"i": "bad:0"}),
            c=("Mixed", {"any": "b:0"}),
        )
    )
    assert verdict.ok
    assert verdict.targets == ("a",)
    assert [problem.node for problem in verdict.problems] == ["bad"]
    assert verdict.dependents == {"bad": ("b", "c")}


def test_only_the_targets_that_are_asked_for_are_examined() -> None:
    two = graph(i=("Image", {}), a=("Save", {"images": "i:0"}), b=("Save", {}))
    assert check(two, ["a", "nobody", "i"]).problems == ()
    assert check(two, ["a"]).targets == ("a",)
    assert not check(two, ["b"]).ok


@pytest.mark.parametrize(
    ("wanted", "targets", "remedy"),
    [
        (graph(), None, "empty"),
        (graph(i=("Image", {})), None, "SaveImage"),
        (graph(i=("Image", {}), m=("Mixed", {})), ["i"], "m"),
    ],
)
def test_without_outputs_there_is_nothing_to_run(wanted: Graph, targets: list[str] | None, remedy: str) -> None:
    verdict = check(wanted, targets)
    assert verdict.error is not None
    assert (verdict.error.code, verdict.fatal) == ("prompt_no_outputs", True)
    assert remedy in verdict.error.remedy


def test_missing_node_types_are_all_named_wherever_they_are() -> None:
    verdict = check(graph(m=("Mixed", {}), x=("Nope", {}), y=("Neither", {})))
    assert [(problem.code, problem.node) for problem in verdict.problems] == [
        ("missing_node_type", "x"),
        ("missing_node_type", "y"),
    ]
    assert verdict.error is not None and verdict.error.code == "missing_node_type"
    assert "Nope" in verdict.error.message


def test_a_missing_node_type_hides_no_other_problem() -> None:
    wanted = graph(
        x=("Nope", {"i": "i:0"}),
        i=("Int", {"value": 11}),
        m=("Mixed", {"any": "x:3", "i": "i:0", "f": "x:0"}),
        s=("Save", {}),
    )
    verdict = check(wanted)
    assert {(problem.code, problem.node) for problem in verdict.problems} == {
        ("missing_node_type", "x"),
        ("value_bigger_than_max", "i"),
        ("required_input_missing", "s"),
    }
    assert (verdict.targets, verdict.fatal) == ((), True)
    assert verdict.dependents == {"x": ("m",), "i": ("m",), "s": ("s",)}


@pytest.mark.parametrize("value", ["other node", 5, None, {"__value__": [1]}, {"a": 1}])
def test_what_only_nodes_make_is_linked(value: object) -> None:
    verdict = check(Graph.of([Node("s", "Save", {"images": value}), Node("u", "Union", {"x": 1.5})]))
    (problem,) = verdict.problems
    assert (problem.code, problem.node, problem.input) == ("bad_linked_input", "s", "images")
    assert "IMAGE" in problem.detail and problem.remedy
    assert verdict.targets == ("u",)


def test_cycles_are_named_once_each_and_spoil_what_depends_on_them() -> None:
    verdict = check(
        graph(
            a=("Wild", {"x": "b:0"}),
            b=("Wild", {"x": "c:0"}),
            c=("Wild", {"x": "a:0"}),
            d=("Wild", {"x": "d:0"}),
            e=("Mixed", {"any": "a:0"}),
            f=("Mixed", {"i": 1}),
        )
    )
    cycles = [problem for problem in verdict.problems if problem.code == "dependency_cycle"]
    assert [set(problem.details["nodes"]) for problem in cycles] == [{"a", "b", "c"}, {"d"}]  # type: ignore[arg-type]
    assert cycles[0].detail.split(" -> ")[0] == cycles[0].detail.split(" -> ")[-1]
    assert verdict.targets == ("f",)


def test_a_long_list_of_choices_is_not_repeated() -> None:
    many = Catalog([NodeSchema("Many", (Input("c", "COMBO", choices=tuple(range(100))),), (), Traits(output=True))])
    [problem] = validate(graph(m=("Many", {"c": "x"})), many).problems
    assert problem.detail == "c: 'x' not in (list of length 100)"
    assert problem.details["input_config"] is None


def test_the_complaints_of_nodes_are_problems_of_their_inputs() -> None:
    own = graph(o=("Own", {"x": 5, "y": 1}))
    [problem] = check(own, complaints={"o": "I do not like fives"}).problems
    assert (problem.code, problem.input, problem.detail) == ("custom_validation_failed", "x", "x - I do not like fives")
    [silent] = check(own, complaints={"o": ""}).problems
    assert silent.detail == "x"


def test_a_chain_of_ten_thousand_nodes() -> None:
    nodes = [Node("0", "Wild", {"x": 1}), *(Node(str(i), "Wild", {"x": Link(str(i - 1), 0)}) for i in range(1, 10_000))]
    assert check(Graph.of(nodes)).ok
    assert len(check(Graph.of(nodes), ["9999"]).examined) == 10_000
    ring = [Node("0", "Wild", {"x": Link("9999", 0)}), *nodes[1:]]
    verdict = check(Graph.of(ring))
    assert [problem.code for problem in verdict.problems] == ["dependency_cycle"]
    assert len(verdict.dependents[verdict.problems[0].node]) == 10_000


def test_folders_are_listed_once_for_all_nodes() -> None:
    asked: list[str] = []

    def listing(choices: FileChoices) -> list[object]:
        asked.append(choices.folder)
        return ["a"]

    nodes = [Node(str(number), "Mixed", {"file": "a"}) for number in range(20)]
    assert validate(Graph.of(nodes), CATALOG, None, listing).ok
    assert asked == ["loras"]
