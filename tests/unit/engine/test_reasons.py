"""Why steps ran or did not: pairs of runs, and what the second one says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from limner.engine import Engine, Reason, RunRequest
from limner.engine.ledger import Ledger, Record
from limner.engine.state import RunState
from limner.graph import Catalog, Graph
from limner.stores import MemoryCache
from tests.support import nodes
from tests.support.fake_executor import FakeExecutor, fake
from tests.support.graphs import graph

CHAIN = graph(x=("Add", {"a": 1, "b": 2}), y=("Add", {"a": "x:0", "b": 1}), s=("Sink", {"a": "y:0"}))
EDITED = graph(x=("Add", {"a": 1, "b": 5}), y=("Add", {"a": "x:0", "b": 1}), s=("Sink", {"a": "y:0"}))
LAZY = graph(
    n=("Add", {"a": 2, "b": 2}),
    y=("Add", {"a": 1, "b": 1}),
    c=("Choose", {"which": True, "yes": "y:0", "no": "n:0"}),
    s=("Sink", {"a": "c:0"}),
)
BLOCKED = graph(b=("Block", {"a": 1, "when": True}), y=("Add", {"a": "b:0", "b": 1}), s=("Sink", {"a": "y:0"}))
WATCH = graph(w=("Watch", {}), s=("Sink", {"a": "w:0"}))
FAILING = graph(f=("Fail", {"a": 1}), s=("Sink", {"a": "f:0"}), t=("Sink", {"a": 5}))
INPUT = "input b of node x changed from 2 to 5"


def ran(cause: str, text: str = "", where: str = "") -> tuple[str, str, str, str]:
    return "ran", cause, text, where


@dataclass(frozen=True)
class Case:
    runs: tuple[Graph, ...]
    told: dict[str, tuple[str, ...]]
    targets: tuple[str, ...] = ("s",)
    entries: int | None = None
    tokens: list[object] = field(default_factory=list)


CASES = {
    "everything is new": Case((CHAIN,), {"x": ran("first"), "y": ran("first"), "s": ran("first")}),
    "everything is remembered": Case((CHAIN, CHAIN), dict.fromkeys("xys", ("cached", "memory"))),
    "an input was edited": Case(
        (CHAIN, EDITED), {"x": ran("input", INPUT), "y": ran("input", INPUT, "x"), "s": ran("input", INPUT, "x")}
    ),
    "an edit of long ago is remembered": Case((CHAIN, EDITED, CHAIN), dict.fromkeys("xys", ("cached", "memory"))),
    "a link was moved": Case(
        (
            graph(a=("Add", {"a": 1, "b": 1}), b=("Add", {"a": 2, "b": 2}), s=("Sink", {"a": "a:0"})),
            graph(a=("Add", {"a": 1, "b": 1}), b=("Add", {"a": 2, "b": 2}), s=("Sink", {"a": "b:0"})),
        ),
        {
            "s": ran("input", "input a of node s changed from output 0 of node a to output 0 of node b"),
            "a": ("skipped", "unneeded"),
            "b": ran("first"),
        },
    ),
    "an input came": Case(
        (graph(b=("Block", {"a": 1, "when": False}), s=("Sink", {"a": "b:0"})),
         graph(b=("Block", {"a": 1, "when": False, "message": "no"}), s=("Sink", {"a": "b:0"}))),
        {"b": ran("input", 'input message of node b changed from nothing to "no"')},
    ),
    "nothing is kept": Case((CHAIN, CHAIN), dict.fromkeys("xy", ran("evicted")), entries=0),
    "a change token changed": Case(
        (WATCH, WATCH), {"w": ran("token", "what node w watches changed from 1 to 2"), "s": ran("token", where="w")},
        tokens=[1, 2],
    ),
    "the token says that it always changes": Case(
        (WATCH, WATCH), {"w": ran("volatile"), "s": ran("volatile", where="w")}, tokens=[float("nan")] * 2
    ),
    "a lazy input was not demanded": Case(
        (LAZY,), {"n": ("skipped", "lazy", "lazy: node c did not ask for its input no", "c"), "y": ran("first")}
    ),
    "a blocker": Case(
        (BLOCKED,), {"b": ran("first"), "y": ("skipped", "blocked", "", "b"), "s": ("skipped", "blocked", "", "y")}
    ),
    "an equal node": Case(
        (graph(a=("Add", {"a": 1, "b": 1}), b=("Add", {"a": 1, "b": 1}), c=("Add", {"a": "a:0", "b": "b:0"}),
               s=("Sink", {"a": "c:0"})),),
        {"a": ran("first"), "b": ("cached", "shared", "", "a")},
    ),
    "a run that failed": Case(
        (FAILING,), {"f": ran("first"), "s": ("skipped", "ended", "skipped: the run failed before its turn")},
        targets=("s", "t"),
    ),
    "another type under the same id": Case(
        (CHAIN, graph(x=("Numbers", {"count": 1}), y=("Add", {"a": "x:0", "b": 1}), s=("Sink", {"a": "y:0"}))),
        {"x": ran("first"), "y": ran("first", where="x")},
    ),
}  # fmt: skip


def executor(tokens: list[object]) -> FakeExecutor:
    left = list(tokens)
    return nodes.executor(fake("Watch", lambda: 7, token=lambda: left.pop(0)))


async def reasons(host: FakeExecutor, case: Case) -> dict[str, Reason]:
    engine = Engine(host, MemoryCache(entries=case.entries))
    for number, each in enumerate(case.runs):
        targets = [target for target in case.targets if target in each.nodes]
        await engine.run(RunRequest(f"run {number}", each, targets, host.catalog))
    told = engine.explain(f"run {len(case.runs) - 1}")
    assert told is not None
    return {reason.node: reason for reason in told}


@pytest.mark.parametrize("name", CASES)
async def test_a_step_says_why(name: str) -> None:
    case = CASES[name]
    told = await reasons(executor(case.tokens), case)
    assert set(told) == set(case.runs[-1].nodes), "every node has a reason"
    for node, expected in case.told.items():
        outcome, cause, text, where = (*expected, "", "")[:4]
        reason = told[node]
        assert (reason.outcome, reason.cause) == (outcome, cause), reason
        assert text in reason.text
        assert reason.where == where or not where


async def test_code_that_changed() -> None:
    before, after = executor([]), executor([])
    after.nodes["Add"].schema = replace(after.nodes["Add"].schema, version="2")  # type: ignore[index]
    engine = Engine(after, MemoryCache())
    await engine.run(RunRequest("1", CHAIN, ["s"], before.catalog))
    await engine.run(RunRequest("2", CHAIN, ["s"], after.catalog))
    told = {reason.node: reason for reason in engine.explain("2") or ()}
    assert told["x"].cause == "code"
    assert told["s"].where == "y"


async def test_steps_of_expansions_say_why() -> None:
    loop = graph(l=("Loop", {"a": 0, "step": 1, "times": 2, "unique": "l"}), s=("Sink", {"a": "l:0"}))
    host = executor([])
    engine = Engine(host, MemoryCache())
    for run in "12":
        await engine.run(RunRequest(run, loop, ["s"], host.catalog))
        told = {reason.node: reason for reason in engine.explain(run) or ()}
        assert {"l", "s"} <= set(told)
        if run == "1":
            assert told["l.2.add"].outcome == "ran"
            assert told["l.2.add"].display == "l"
        else:
            assert told["l"].cause == "memory"


async def test_a_long_chain_is_explained_without_recursion() -> None:
    def chain(first: int) -> Graph:
        links = {f"n{i}": ("Add", {"a": f"n{i - 1}:0", "b": 1}) for i in range(1, 5_000)}
        return graph(n0=("Add", {"a": first, "b": 1}), **links, s=("Sink", {"a": "n4999:0"}))

    told = await reasons(executor([]), Case((chain(1), chain(2)), {}))
    assert told["s"].text == "ran: input a of node n0 changed from 1 to 2"
    assert told["s"].changes[0].before == "1"


async def test_a_run_that_is_not_remembered() -> None:
    assert Engine(executor([]), MemoryCache()).explain("no such run") is None


def test_old_records_go_when_there_are_too_many_steps() -> None:
    ledger = Ledger(most_steps=5)
    for run in "abcd":
        state = RunState()
        state.steps = dict.fromkeys(range(2))  # type: ignore[assignment]
        ledger.begin(Record(run, Graph.of([]), Catalog([]), state, {}))
        ledger.end(run)
    assert [run for run in "abcd" if run in ledger] == ["c", "d"]


async def test_values_on_the_disk_are_told_apart() -> None:
    host, cache = executor([]), MemoryCache()
    engine = Engine(host, cache)
    await engine.run(RunRequest("1", CHAIN, ["s"], host.catalog))
    told = {reason.node: reason for reason in engine.explain("1") or ()}
    assert told["y"].outcome == "ran"
    for state in engine._ledger.get("1").state.steps.values():  # type: ignore[union-attr]
        if state.values is not None and state.values.handles:
            handles = tuple(replace(handle, place="disk") for handle in state.values.handles)
            cache.put(state.step.fingerprint, replace(state.values, handles=handles))
    await engine.run(RunRequest("2", CHAIN, ["s"], host.catalog))
    told = {reason.node: reason for reason in engine.explain("2") or ()}
    assert (told["y"].cause, told["y"].text) == ("disk", "cached: its values were on the disk")
