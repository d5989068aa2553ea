"""Fake node types that most engine tests use."""

from __future__ import annotations

import asyncio

from limner.graph import Graph, Lane, Link, Node, Output

from .fake_executor import Blocker, Crash, Expand, FakeExecutor, FakeNode, fake


def add() -> FakeNode:
    return fake("Add", lambda a, b: a + b, {"a": "INT", "b": "INT"})


def sink() -> FakeNode:
    """Shows what it gets."""
    return fake("Sink", lambda a: {"value": [a]}, {"a": "*"}, (), output=True)


def fail() -> FakeNode:
    def call(a: int) -> int:
        raise ValueError(f"cannot take {a}")

    return fake("Fail", call, {"a": "INT"})


def choose() -> FakeNode:
    """Takes `yes` or `no`, and evaluates only the one that it takes."""

    def needs(which: bool, yes: object, no: object) -> list[str]:
        return ["yes"] if which and yes is None else ["no"] if not which and no is None else []

    kinds = {"which": "BOOLEAN", "yes": "lazy INT", "no": "lazy INT"}
    return fake("Choose", lambda which, yes, no: yes if which else no, kinds, needs=needs)


def numbers() -> FakeNode:
    """0 .. count-1, as a list."""
    return fake("Numbers", lambda count: (list(range(count)),), {"count": "INT"}, (Output("n", "INT", is_list=True),))


def total() -> FakeNode:
    return fake("Sum", lambda a: sum(a), {"a": "INT"}, list_wise=True)  # noqa: PLW0108  (called by name)


def block() -> FakeNode:
    """Blocks its value where `when` says so."""
    kinds = {"a": "*", "when": "BOOLEAN", "message": "STRING?"}
    return fake("Block", lambda a, when, message=None: Blocker(message) if when else a, kinds, ("*",))


def countdown() -> FakeNode:
    """A loop by expansion: adds `step` to `a`, `times` times over."""

    def call(a: int, step: int, times: int, unique: str = "") -> object:
        if times == 0:
            return a
        inner = f"{unique}.{times}"
        nodes = [
            Node(f"{inner}.add", "Add", {"a": a, "b": step}),
            Node(f"{inner}.rest", "Loop", {"a": Link(f"{inner}.add", 0), "step": step, "times": times - 1}),
        ]
        return Expand(Graph.of(nodes), (Link(f"{inner}.rest", 0),))

    return fake("Loop", call, {"a": "INT", "step": "INT", "times": "INT", "unique": "STRING?"})


def sleep(lane: Lane = Lane.ASYNC) -> FakeNode:
    async def call(a: int, ms: int) -> int:
        await asyncio.sleep(ms / 1000)
        return a

    return fake("Sleep", call, {"a": "INT", "ms": "INT"}, lane=lane)


def crash(times: int) -> FakeNode:
    """Kills its host the first `times` times."""
    left = [times]

    def call(a: int) -> int:
        if left[0] > 0:
            left[0] -= 1
            raise Crash("segmentation fault")
        return a

    return fake("Crash", call, {"a": "INT"})


def executor(*more: FakeNode) -> FakeExecutor:
    """A host with all of the above, and more."""
    common = [add(), sink(), fail(), choose(), numbers(), total(), block(), countdown(), sleep()]
    return FakeExecutor.of(*common, *more)
