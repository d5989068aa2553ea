"""Where behaviours of ComfyUI's execution meet, in named graphs: lists in expansions, blockers in lists, lazy inputs
and all of these, in classes of both kinds. What is expected is what ComfyUI 0.3.64 gives, unless a case says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.live_server import LiveServer
from tests.support.semantics import Case, Prompt, Told, graph, run, semantics_server

S = "Show"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with semantics_server(tmp_path_factory.mktemp("base")) as running:
        yield running


def shows(kind: str, inputs: dict[str, Any], **more: tuple[Any, ...]) -> Prompt:
    """`x` is a node of this kind, and `s` shows its first output."""
    return graph(x=(kind, inputs), s=(S, {"value": "x:0"}), **more)


THREE = ("Range", {"count": 3})
FOUR = ("Range", {"count": 4})
NEVER = ("Raise", {"a": 1})

CASES = {
    "a list of choices asks for both lazy inputs": Case(
        shows("AsyncChoose", {"which": "r:0", "yes": "y:0", "no": "n:0"}, r=FOUR, y=THREE, n=("Range", {"count": 2})),
        {"s": ["0", "1", "1", "2"]},
    ),
    "a choice over lists asks for one": Case(
        shows("Choose", {"which": True, "yes": "y:0", "no": "n:0"}, y=THREE, n=NEVER), {"s": ["0", "1", "2"]}, ("n",)
    ),
    "lazy inputs of a node of whole lists": Case(
        shows("LazyList", {"which": "w:0", "a": "y:0", "b": "n:0"}, w=("Range", {"count": 2}), y=THREE, n=FOUR),
        {"s": ["0", "1", "2", "0", "1", "2", "3"]},
    ),
    "a lazy input of a node of whole lists that is not asked for": Case(
        shows("LazyList", {"which": 1, "a": "y:0", "b": "n:0"}, y=THREE, n=NEVER), {"s": ["0", "1", "2"]}, ("n",)
    ),
    "a chain of demands stops at the first": Case(
        shows("LazyChain", {"a": "a:0", "b": "b:0", "c": "c:0"}, a=("Add", {"a": 2, "b": 2}), b=NEVER, c=NEVER),
        {"s": ["4"]}, ("b", "c"),
    ),
    "a chain of demands goes on": Case(
        shows(
            "LazyChain", {"a": "a:0", "b": "b:0", "c": "c:0"},
            a=("Add", {"a": 2, "b": 3}), b=("Add", {"a": 2, "b": 1}), c=("Add", {"a": 2, "b": 2}),
        ),
        {"s": ["435"]},
    ),
    "what is demanded may expand": Case(
        shows("Choose", {"which": True, "yes": "l:0", "no": "n:0"}, l=("Loop", {"start": 1, "step": 2, "times": 3}),
              n=NEVER),
        {"s": ["7"]}, ("n",),
    ),
    "what is demanded may be blocked": Case(
        shows("Choose", {"which": True, "yes": "b:0", "no": "n:0"}, b=("Block", {"value": 1, "block": True}), n=NEVER,
              t=(S, {"value": 3})),
        {"t": ["3"]}, ("n",),
    ),
    "a blocked choice asks for nothing": Case(
        shows("Choose", {"which": "b:0", "yes": "n:0", "no": "n:0"}, b=("Block", {"value": 1, "block": True}), n=NEVER,
              t=(S, {"value": 4})),
        {"t": ["4"]}, ("n",),
    ),
    "check_lazy_status is asked although nothing is lazy": Case(shows("LazyPrepared", {"a": 5}), {"s": ["6"]}),
    "a lazy input that nobody asks for": Case(
        shows("LazyUnasked", {"a": "n:0", "b": 3}, n=NEVER), {"s": ["3"]}, ("n",)
    ),
    "a lazy input whose source is needed anyway": Case(
        shows("LazyUnasked", {"a": "a:0", "b": "a:0"}, a=("Add", {"a": 1, "b": 1})), {"s": ["202"]}
    ),
    "a lazy node in an expansion": Case(shows("ExpandLazy", {"a": 1}), {"s": ["1001"]}),
    "a lazy node in an expansion for each item": Case(
        shows("ExpandLazy", {"a": "r:0"}, r=THREE), {"s": ["1000", "1001", "1002"]}
    ),
    "raw links that an expansion hands on": Case(
        shows("ExpandRaw", {"which": True, "x": "a:0", "y": "n:0"}, a=("Add", {"a": 2, "b": 2}), n=NEVER),
        {"s": ["4"]}, ("n",),
    ),
    "a list inside an expansion is a list outside": Case(  # ComfyUI gives an error
        shows("ExpandRange", {"count": 3}), {"s": ["100", "101", "102"]}
    ),
    "lists of an expansion for each item are put together": Case(  # ComfyUI gives an error
        shows("ExpandRange", {"count": "r:0"}, r=FOUR), {"s": ["100", "100", "101", "100", "101", "102"]}
    ),
    "a Python list inside is the items of a list output": Case(
        shows("ExpandPair", {"a": 3}, t=(S, {"value": "x:1"}), u=(S, {"value": "x:2"})),
        {"s": ["3", "4"], "t": ["[3, 4]"], "u": ["3", "7"]},
    ),
    "a Python list for each item": Case(
        shows("ExpandPair", {"a": "r:0"}, r=THREE, t=(S, {"value": "x:1"}), u=("ShowList", {"value": "x:2"})),
        {
            "s": ["0", "1", "1", "2", "2", "3"], "t": ["[0, 1]", "[1, 2]", "[2, 3]"], "u": ["[0, 7, 1, 7, 2, 7]"],
        },
    ),
    "a Python list through two expansions": Case(  # ComfyUI loses items
        shows("ExpandPairAround", {"a": "r:0"}, r=THREE, t=(S, {"value": "x:1"}), u=("ShowList", {"value": "x:2"})),
        {
            "s": ["0", "1", "1", "2", "2", "3"], "t": ["[0, 1]", "[1, 2]", "[2, 3]"], "u": ["[0, 7, 1, 7, 2, 7]"],
        },
    ),
    "expansions in expansions over lists": Case(  # ComfyUI gives an error
        graph(n=("Nest", {"count": "r:0"}), r=THREE, s=("ShowList", {"value": "n:0"})),
        {"n.0.0.3": ["[]"], "n.1.0.3": ["[0]"], "n.2.0.3": ["[0, 2]"], "s": ["[100, 101]"]},
    ),
    "some calls expand and some do not": Case(
        shows("ExpandMixed", {"a": "r:0"}, r=FOUR, t=(S, {"value": "x:1"}), u=(S, {"value": "x:2"})),
        {"s": ["0", "101", "102", "3"], "t": ["1", "1", "2", "4"], "u": ["2", "5", "5"]},
    ),
    "an output node inside, and something shown outside": Case(
        shows("ExpandShow", {"a": 6, "b": 1}), {"x": ["own 1"], "x.0.0.2": ["7"], "s": ["7"]}
    ),
    "an output node inside, for each item": Case(
        shows("ExpandShow", {"a": "r:0", "b": 2}, r=THREE),
        {"x": ["own 2"] * 3, "x.0.0.2": ["1"], "x.1.0.2": ["2"], "x.2.0.2": ["3"], "s": ["1", "2", "3"]},
    ),
    "a blocker inside blocks what follows outside": Case(
        shows("ExpandBlocked", {"a": 1}, t=(S, {"value": 5})), {"t": ["5"]}
    ),
    "an expansion of nothing": Case(shows("ExpandNothing", {"a": "r:0"}, r=THREE), {"s": ["1", "2", "3"]}),
    "a coroutine that expands to a coroutine": Case(
        shows("AsyncExpand", {"a": "r:0"}, r=THREE), {"s": ["0", "1", "2"]}
    ),
    "some items are blocked": Case(
        shows("Add", {"a": "b:0", "b": 1}, r=FOUR, b=("BlockOdd", {"a": "r:0"}), t=(S, {"value": "b:1"})),
        {"s": ["1", "3"], "t": ["0", "1", "2", "3"]},
    ),
    "a blocked item blocks a node of whole lists": Case(
        shows("Sum", {"values": "b:0"}, r=FOUR, b=("BlockOdd", {"a": "r:0"}), t=(S, {"value": 6})), {"t": ["6"]}
    ),
    "one blocker for all outputs": Case(
        graph(b=("BlockAll", {"a": 1}), s=(S, {"value": "b:0"}), t=(S, {"value": "b:1"}), u=(S, {"value": 7})),
        {"u": ["7"]},
    ),
    "a blocker in place of a list, and in one": Case(
        shows("Add", {"a": "b:0", "b": 1}, r=("Range", {"count": 2}), b=("BlockInList", {"a": "r:0"})),
        {"s": ["1", "3"]},
    ),
    "each call knows which one it is": Case(
        shows("Where", {"a": "r:0"}, r=THREE), {"s": [f"x {n} x.{n}.0. x.{n}.1." for n in range(3)]}
    ),
    "each coroutine knows which one it is": Case(  # in ComfyUI all take the last one's prefix
        shows("AsyncWhere", {"a": "r:0"}, r=THREE), {"s": [f"x {n} x.{n}.0. x.{n}.1." for n in range(3)]}
    ),
    "an output type may be a union": Case(shows("Union", {"a": "u:0"}, u=("UnionOut", {"a": 3})), {"s": ["1.5"]}),
    "limits are not for inputs that a node checks itself": Case(shows("CheckRange", {"a": 50}), {"s": ["50"]}),
    "a node that checks all types of all inputs": Case(
        shows("CheckTypesAll", {"a": "a:0", "b": 2}, a=("Add", {"a": 1, "b": 1})), {"s": ["4"]}
    ),
    "undeclared links reach a node that takes keywords": Case(
        shows("Keywords", {"a": 1, "more": "a:0", "less": 3}, a=("Add", {"a": 1, "b": 1})), {"s": ["1 {'more': 2}"]}
    ),
    "an output that was declared and not given": Case(shows("Few", {"a": 8}, t=(S, {"value": "x:1"})),
                                                      {"s": ["8"], "t": ["None"]}),
    "an output of a node that only shows": Case(
        graph(o=("ShownAndTaken", {"a": 9}), x=("Optional", {"a": "o:0"}), s=(S, {"value": "x:0"})),
        {"o": ["9"], "s": ["None"]},
    ),
    "an optional input that is not there": Case(shows("Optional", {}), {"s": ["-5"]}),
    "newer: an optional input that is not there": Case(shows("V3Add", {"a": 1}), {"s": ["10"]}),
    "newer: coroutines and list outputs": Case(shows("V3Async", {"a": "r:0"}, r=THREE),
                                               {"s": ["0", "1", "1", "2", "2", "3"]}),
    "newer: lazy inputs": Case(
        shows("V3Choose", {"which": 1, "yes": "a:0", "no": "n:0"}, a=("Add", {"a": 1, "b": 1}), n=NEVER),
        {"s": ["2"]}, ("n",),
    ),
    "newer: an expansion for each item": Case(shows("V3Expand", {"a": "r:0"}, r=THREE), {"s": ["50", "51", "52"]}),
    "newer: whole lists": Case(shows("V3List", {"a": "r:0"}, r=THREE), {"s": ["0", "2", "4"]}),
    "newer: one of several types": Case(
        shows("V3Check", {"a": 1, "m": "u:0"}, u=("Union", {"a": "a:0"}), a=("Add", {"a": 2, "b": 2})), {"s": ["3"]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_graph(server: LiveServer, name: str) -> None:
    case = CASES[name]
    told = run(server, case.prompt)
    assert told.end == "execution_success", told
    assert told.shown == case.shown
    assert not set(case.idle) & set(told.began)


FAILURES = {
    "a lazy node asks for what is not linked": (shows("LazyChain", {"a": 1}), "x", "input 'b'"),
    "a lazy node asks for what is not there": (shows("LazyChain", {}), "x", "input 'a'"),
    "one coroutine of several fails": (
        shows("Async", {"a": "d:0", "ms": 1}, r=THREE, d=("Add", {"a": "r:0", "b": -1})), "x", "-1 is below nothing",
    ),
    "a node inside an expansion fails": (shows("AsyncExpand", {"a": -3}), "x", "-3 is below nothing"),
    "newer: a coroutine fails": (shows("V3Async", {"a": -2}), "x", "-2 is below nothing"),
    "newer: a blocker with a message": (shows("V3Block", {"a": 1}), "s", "odd"),
    "a blocker with a message for a node of whole lists": (
        shows("Sum", {"values": "b:0"}, b=("Block", {"value": 1, "block": True, "message": "whole"})), "x", "whole",
    ),
    "a blocker with an empty message": (
        shows("Add", {"a": "b:0", "b": 1}, b=("Block", {"value": 1, "block": True, "message": ""})), "x", "Blocked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_failure(server: LiveServer, name: str) -> None:
    prompt, node, message = FAILURES[name]
    told = run(server, prompt)
    assert told.end == "execution_error"
    assert told.error["node_id"] == node
    assert message in told.error["exception_message"]


REJECTIONS = {
    "by all inputs": (shows("CheckRange", {"a": 77}), ["a - ['a'] 77"]),
    "by the types of all inputs": (
        shows("CheckTypesAll", {"a": "a:0", "b": "t:0"}, a=("Add", {"a": 1, "b": 1}), t=("Text", {"text": "x"})),
        ["a - ['a', 'b'] ['b'] None", "b - ['a', 'b'] ['b'] None"],
    ),
    "by types alone": (shows("CheckTypes", {"a": "t:0"}, t=("Text", {"text": "x"})), ["STRING is no number"]),
    "by a mistake in the node": (shows("CheckRaises", {"a": 1}), ["KeyError", "lost"]),
    "newer: by one input": (shows("V3Check", {"a": 51}), ["51 is too much"]),
    "newer: by a type": (shows("V3Check", {"a": 1, "m": "t:0"}, t=("Text", {"text": "x"})), ["return_type_mismatch"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTIONS)
def test_rejection(server: LiveServer, name: str) -> None:
    prompt, said = REJECTIONS[name]
    errors = run(server, prompt).rejection["node_errors"]
    assert list(errors) == ["x"]
    for words in said:
        assert words in json.dumps(errors)


def watched(server: LiveServer, a: object, how: str, **more: tuple[Any, ...]) -> str:
    return run(server, shows("WatchLink", {"a": a, "how": how}, **more)).shown["s"][0]


def test_a_change_token_sees_literals_and_no_links(server: LiveServer) -> None:
    first = watched(server, 1, "plain")
    assert watched(server, 1, "plain") == first
    source = ("Add", {"a": 40, "b": 1})
    linked = watched(server, "q:0", "plain", q=source)
    assert linked != first
    assert watched(server, "q:0", "plain", q=source) == linked
    assert watched(server, "q:0", "plain", q=("Add", {"a": 40, "b": 2})) != linked, "what is linked counts by itself"


def test_a_change_token_that_raises_means_that_the_node_runs(server: LiveServer) -> None:
    assert watched(server, 2, "raises") != watched(server, 2, "raises")


def test_change_tokens_inside_expansions(server: LiveServer) -> None:
    def inside(how: str, salt: int) -> str:
        return run(server, shows("WatchInside", {"how": how, "salt": salt})).shown["s"][0]

    assert inside("plain", 7001) == inside("plain", 7001)
    first, again = inside("raises", 7002), inside("raises", 7002)
    assert first == again, "the expanding node itself has not changed, and is not run again"


def test_newer_change_tokens(server: LiveServer) -> None:
    def begun(a: int) -> list[str]:
        prompt = graph(x=("V3Check", {"a": a, "m": 2}), s=(S, {"value": "x:0"}))
        run(server, prompt)
        return run(server, prompt).began

    assert begun(12) == []
    assert begun(13) == ["x", "s"]


def test_newer_hidden_inputs(server: LiveServer) -> None:
    extra = {"extra_pnginfo": {"workflow": 1}, "auth_token_comfy_org": "T", "api_key_comfy_org": "K"}
    prompt = graph(a=("Add", {"a": 500, "b": 1}), h=("V3Hidden", {"value": "a:0"}))
    told = run(server, prompt, extra_data=extra)
    assert told.shown == {"h": ["501 h [['a', 'h'], 'h', {'workflow': 1}] ('T', 'K')"]}


def test_an_output_node_inside_is_shown_although_it_is_remembered(server: LiveServer) -> None:
    def shown(b: int) -> Told:
        return run(server, shows("ExpandShow", {"a": 900, "b": b}))

    assert shown(1).shown["x.0.0.2"] == ["901"]
    again = shown(2)
    assert again.shown == {"x": ["own 2"], "x.0.0.2": ["901"], "s": ["901"]}
    assert set(again.began) == {"x", "s"}
