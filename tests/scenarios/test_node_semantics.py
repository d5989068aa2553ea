"""What node authors rely on, in named graphs of a ComfyUI pack, run by `limner serve`: lazy inputs, expansion, lists,
blockers, change tokens, validation, types, raw links, hidden inputs, coroutines, targets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from tests.support.live_server import LiveServer
from tests.support.semantics import Case, Prompt, graph, listen, post, run, semantics_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with semantics_server(tmp_path_factory.mktemp("base")) as running:
        yield running


CASES = {
    "a lazy input is made when it is asked for": Case(
        graph(
            y=("Add", {"a": 1, "b": 2}), n=("Raise", {"a": 1}),
            c=("Choose", {"which": True, "yes": "y:0", "no": "n:0"}), s=("Show", {"value": "c:0"}),
        ),
        {"s": ["3"]}, ("n",),
    ),
    "a lazy input may be a literal": Case(
        graph(c=("Choose", {"which": False, "yes": 1, "no": 7}), s=("Show", {"value": "c:0"})), {"s": ["7"]}
    ),
    "a loop by recursive expansion": Case(
        graph(l=("Loop", {"start": 5, "step": 3, "times": 20}), s=("Show", {"value": "l:0"})), {"s": ["65"]}
    ),
    "a loop that expands to nothing": Case(
        graph(l=("Loop", {"start": 5, "step": 3, "times": 0}), s=("Show", {"value": "l:0"})), {"s": ["5"]}
    ),
    "live values among an expansion's literals": Case(
        graph(e=("ExpandLive", {"a": 4}), s=("Show", {"value": "e:0"})), {"s": ["10"]}
    ),
    "a list output is one call for each item": Case(
        graph(r=("Range", {"count": 4}), a=("Add", {"a": "r:0", "b": 10}), s=("Show", {"value": "a:0"})),
        {"s": ["10", "11", "12", "13"]},
    ),
    "lists of different lengths repeat the last item": Case(
        graph(
            r=("Range", {"count": 3}), q=("Range", {"count": 2}), a=("Add", {"a": "r:0", "b": "q:0"}),
            s=("Show", {"value": "a:0"}),
        ),
        {"s": ["0", "2", "3"]},
    ),
    "a node may take the whole list": Case(
        graph(r=("Range", {"count": 5}), a=("Sum", {"values": "r:0"}), s=("Show", {"value": "a:0"})), {"s": ["10"]}
    ),
    "an expansion for each item of a list": Case(
        graph(r=("Range", {"count": 3}), l=("Loop", {"start": 0, "step": "r:0", "times": 2}),
              s=("Show", {"value": "l:0"})),
        {"s": ["0", "2", "4"]},
    ),
    "a blocker without a message skips what follows": Case(
        graph(
            b=("Block", {"value": 1, "block": True}), s=("Show", {"value": "b:0"}),
            p=("Block", {"value": 2, "block": False}), t=("Show", {"value": "p:0"}),
        ),
        {"t": ["2"]},
    ),
    "a wildcard takes any type": Case(
        graph(t=("Text", {"text": "hello"}), s=("Show", {"value": "t:0"})), {"s": ["hello"]}
    ),
    "a union takes each of its types": Case(
        graph(a=("Add", {"a": 3, "b": 2}), u=("Union", {"a": "a:0"}), v=("Union", {"a": "u:0"}),
              s=("Show", {"value": "v:0"})),
        {"s": ["1.25"]},
    ),
    "a raw link is the link itself": Case(
        graph(a=("Raise", {"a": 1}), r=("RawLink", {"a": "a:0"}), s=("Show", {"value": "r:0"})), {"s": ["['a', 0]"]}
    ),
    "types that a node checks itself": Case(
        graph(a=("Add", {"a": 3, "b": 2}), c=("CheckTypes", {"a": "a:0"}), s=("Show", {"value": "c:0"})), {"s": ["5"]}
    ),
    "equal nodes that are not idempotent run each": Case(
        graph(a=("Twice", {"a": 1}), b=("Twice", {"a": 1}), c=("Add", {"a": "a:0", "b": "b:0"}),
              s=("Show", {"value": "c:0"})),
        {"s": ["3"]},
    ),
    "coroutines wait side by side": Case(
        graph(
            a=("Async", {"a": 1, "ms": 5}), b=("Async", {"a": 2, "ms": 5}), c=("Add", {"a": "a:0", "b": "b:0"}),
            s=("Show", {"value": "c:0"}),
        ),
        {"s": ["3"]},
    ),
    "nodes of the cpu lane work at once": Case(
        graph(
            **{f"w{i}": ("CpuSleep", {"a": i, "peers": 8}) for i in range(8)},
            **{f"s{i}": ("Show", {"value": f"w{i}:0"}) for i in range(8)},
        ),
        {f"s{i}": [str(i)] for i in range(8)},
    ),
    "deprecated and experimental nodes run": Case(
        graph(o=("Old", {"a": 1, "b": 1}), s=("Show", {"value": "o:0"})), {"s": ["2"]}
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
    "an error names its node": (graph(r=("Raise", {"a": 3}), s=("Show", {"value": "r:0"})), "r", "not with 3"),
    "an error of a coroutine": (
        graph(r=("Async", {"a": -1, "ms": 1}), s=("Show", {"value": "r:0"})), "r", "-1 is below nothing",
    ),
    "a blocker with a message": (
        graph(b=("Block", {"value": 1, "block": True, "message": "stop here"}), s=("Show", {"value": "b:0"})),
        "s", "stop here",
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
    "by one input": (graph(c=("Check", {"a": 10, "b": 1}), s=("Show", {"value": "c:0"})), "10 is too much"),
    "by all inputs": (
        graph(c=("CheckAll", {"a": 2, "b": 2}), s=("Show", {"value": "c:0"})),
        "custom_validation_failed",
    ),
    "by types": (
        graph(t=("Text", {"text": "x"}), c=("CheckTypes", {"a": "t:0"}), s=("Show", {"value": "c:0"})),
        "STRING is no number",
    ),
    "by a coroutine": (graph(c=("AsyncCheck", {"a": 10}), s=("Show", {"value": "c:0"})), "too much, later"),
    "by a union": (
        graph(t=("Text", {"text": "x"}), u=("Union", {"a": "t:0"}), s=("Show", {"value": "u:0"})),
        "return_type_mismatch",
    ),
}


@pytest.mark.parametrize("name", REJECTIONS)
def test_rejection(server: LiveServer, name: str) -> None:
    prompt, said = REJECTIONS[name]
    told = run(server, prompt)
    assert said in json.dumps(told.rejection["node_errors"])


def test_a_change_token_decides_whether_a_node_runs_again(server: LiveServer) -> None:
    def shown(token: str) -> str:
        return run(server, graph(w=("Watch", {"token": token}), s=("Show", {"value": "w:0"}))).shown["s"][0]

    first = shown("a")
    assert shown("a") == first
    assert shown("b") != first
    assert shown("always") != shown("always")


def test_hidden_inputs(server: LiveServer) -> None:
    extra = {
        "extra_pnginfo": {"workflow": {"id": "w"}},
        "auth_token_comfy_org": "T",
        "api_key_comfy_org": "K",
    }
    plain = graph(h=("Hidden",), s=("Show", {"value": "h:0"}))
    told = run(server, plain, extra_data=extra).shown["s"]
    assert told == ["['h', 's'] {'workflow': {'id': 'w'}} h None h T K"]
    inside = graph(e=("ExpandHidden",), s=("Show", {"value": "e:0"}))
    told = run(server, inside, extra_data=extra).shown["s"]
    assert told == ["['e', 's'] {'workflow': {'id': 'w'}} inner.h e e T K"]


def test_only_the_targets_that_are_asked_for_run(server: LiveServer) -> None:
    prompt = graph(r=("Raise", {"a": 1}), s=("Show", {"value": "r:0"}), a=("Add", {"a": 40, "b": 2}),
                   t=("Show", {"value": "a:0"}))  # fmt: skip
    told = run(server, prompt, partial_execution_targets=["t"])
    assert told.end == "execution_success"
    assert told.shown == {"t": ["42"]}
    assert set(told.began) == {"a", "t"}


def test_progress_reaches_its_own_client_only(server: LiveServer) -> None:
    other = f"{server.url.replace('http', 'ws')}/ws?clientId=other"
    with connect(other, max_size=None) as socket:
        told = run(server, graph(p=("Progress", {"a": 9}), s=("Show", {"value": "p:0"})))
        assert told.progress[-1] == 3
        run_of_other = post(server, {"prompt": graph(s=("Show", {"value": 1})), "client_id": "other"})["prompt_id"]
        assert listen(socket, run_of_other).progress == []


def test_only_what_changed_runs_again(server: LiveServer) -> None:
    def chain(last: int) -> Prompt:
        return graph(a=("Add", {"a": 1001, "b": 1}), b=("Add", {"a": "a:0", "b": last}), s=("Show", {"value": "b:0"}))

    run(server, chain(1))
    told = run(server, chain(2))
    assert told.began == ["b", "s"]
    assert told.cached == ["a"]
    again = run(server, chain(2))
    assert again.began == []
    assert set(again.cached) == {"a", "b", "s"}
