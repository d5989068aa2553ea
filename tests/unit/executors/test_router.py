"""Several hosts as one: values cross where they must, live objects do not, and what a dead host held is made again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from limner.engine import Engine, RunRequest, RunResult
from limner.engine.events import Event, StepStarted
from limner.executors.process import ProcessExecutor
from limner.executors.router import Router
from limner.graph import Catalog
from limner.plugins.shared import FOLDER_VARIABLE, make_folder
from limner.stores import MemoryCache
from tests.support.graphs import graph

COMMAND = [sys.executable, "-m", "tests.support.host_nodes"]
ELSEWHERE = {"Text", "Length", "OpenThing", "Kill", "Process", "Steps", "Switch"}
"""The node types whose home is the host `own`."""


class Hosts:
    """An engine over two hosts of the same library."""

    def __init__(self, shared: Path | None) -> None:
        environment = {FOLDER_VARIABLE: str(shared)} if shared is not None else {}
        self.main = ProcessExecutor(COMMAND, environment=environment)
        self.own = ProcessExecutor(COMMAND, name="own", environment=environment)
        hosts = {"": self.main, "own": self.own}
        self.router = Router(hosts, lambda kind: "own" if kind in ELSEWHERE else "", lambda name: f"the host {name!r}")
        self.engine = Engine(self.router, MemoryCache())
        self.events: list[Event] = []
        self._runs = 0

    async def start(self) -> None:
        await self.main.start()
        await self.own.start()
        self.catalog = Catalog(await self.main.schemas())

    async def run(self, *targets: str, **nodes: tuple[str, Mapping[str, object]]) -> RunResult:
        self._runs += 1
        request = RunRequest(f"run {self._runs}", graph(**nodes), targets, self.catalog)
        return await self.engine.run(request, self.take)

    def take(self, events: Sequence[Event]) -> None:
        self.events.extend(events)

    def started(self) -> list[str]:
        return [event.node for event in self.events if isinstance(event, StepStarted)]

    async def close(self) -> None:
        await self.main.close()
        await self.own.close()


@pytest.fixture(params=["shared memory", "sockets"])
async def hosts(request: pytest.FixtureRequest) -> AsyncIterator[Hosts]:
    folder = make_folder() if request.param == "shared memory" else None
    hosts = Hosts(folder)
    await hosts.start()
    yield hosts
    await hosts.close()
    for slab in folder.iterdir() if folder is not None else ():
        slab.unlink()
    if folder is not None:
        folder.rmdir()


def shown(result: RunResult, node: str) -> object:
    assert result.failure is None, result.failure
    return result.outputs[node]["value"]


async def test_values_cross_there_and_back(hosts: Hosts) -> None:
    result = await hosts.run(
        "show",
        long=("Long", {"size": 300_000}),
        length=("Length", {"text": "long:0"}),
        sum=("Add", {"a": "length:0", "b": 1}),
        text=("Text", {"value": "sum:0"}),
        show=("Show", {"value": "text:0"}),
    )
    assert shown(result, "show") == ["int 300001"]
    traffic = hosts.router.traffic
    assert traffic.values == 4 and 300_000 < traffic.bytes < 310_000, "each value goes over once"


async def test_each_node_runs_at_home(hosts: Hosts) -> None:
    result = await hosts.run(
        "show", a=("Add", {"a": 1, "b": 2}), own=("Process", {"value": "a:0"}), show=("Show", {"value": "own:0"})
    )
    assert shown(result, "show") == [hosts.own.pid]


async def test_lists_cross_item_by_item(hosts: Hosts) -> None:
    result = await hosts.run(
        "show", range=("Range", {"n": 3}), text=("Text", {"value": "range:0"}), show=("Show", {"value": "text:0"})
    )
    assert shown(result, "show") == ["int 0", "int 1", "int 2"]


async def test_a_lazy_input_crosses_when_it_is_wanted(hosts: Hosts) -> None:
    result = await hosts.run(
        "show",
        a=("Add", {"a": 1, "b": 2}),
        b=("Add", {"a": 3, "b": 4}),
        switch=("Switch", {"first": False, "a": "a:0", "b": "b:0"}),
        show=("Show", {"value": "switch:0"}),
    )
    assert shown(result, "show") == [7]
    assert "a" not in hosts.started()


async def test_a_live_object_is_refused_with_its_input_named(hosts: Hosts) -> None:
    nodes = {"thing": ("MakeThing", {"value": 1}), "open": ("OpenThing", {"thing": "thing:0"})}
    result = await hosts.run("show", **nodes, show=("Show", {"value": "open:0"}))
    assert result.failure is not None
    assert result.failure.node == "open"
    assert result.failure.message.startswith("OpenThing: its input 'thing' cannot be taken into the host 'own'")
    assert "Thing" in result.failure.message and "isolation" in result.failure.remedy
    assert shown(await hosts.run("show", show=("Show", {"value": 1})), "show") == [1]


async def test_what_is_remembered_does_not_cross_twice(hosts: Hosts) -> None:
    nodes = {"long": ("Long", {"size": 100_000}), "length": ("Length", {"text": "long:0"})}
    assert shown(await hosts.run("show", **nodes, show=("Show", {"value": "length:0"})), "show") == [100_000]
    fetches = []
    fetch = hosts.main.fetch

    async def counted(fingerprint: str, output: int, *, shared: bool = False) -> object:
        fetches.append(fingerprint)
        return await fetch(fingerprint, output, shared=shared)

    hosts.main.fetch = counted  # type: ignore[method-assign, assignment]
    again = await hosts.run("text", **nodes, text=("Text", {"value": "long:0"}))
    assert again.failure is None and fetches == []


async def test_what_went_with_another_host_is_made_again(hosts: Hosts) -> None:
    first = await hosts.run("text", long=("Long", {"size": 10}), text=("Text", {"value": "long:0"}))
    assert first.failure is None
    assert hosts.own.pid is not None
    os.kill(hosts.own.pid, signal.SIGKILL)
    result = await hosts.run(
        "show",
        long=("Long", {"size": 10}),
        text=("Text", {"value": "long:0"}),
        length=("Length", {"text": "text:0"}),
        show=("Show", {"value": "length:0"}),
    )
    assert shown(result, "show") == [len("str xxxxxxxxxx")]
    assert hosts.started().count("long") == 1
    assert hosts.started().count("text") == 2


async def test_a_host_that_dies_of_its_step_leaves_the_other_alone(hosts: Hosts) -> None:
    place = hosts.main.place
    result = await hosts.run("kill", "add", kill=("Kill", {}), add=("Add", {"a": 1, "b": 2}))
    assert result.failure is not None and result.failure.node == "kill"
    assert hosts.main.place == place
    assert shown(await hosts.run("show", show=("Show", {"value": 4})), "show") == [4]


async def test_interrupting_reaches_the_host_that_is_at_work(hosts: Hosts) -> None:
    running = asyncio.create_task(
        hosts.run("steps", add=("Add", {"a": 1, "b": 2}), steps=("Steps", {"n": 1000, "seconds": 0.05}))
    )
    async with asyncio.timeout(20):
        while "steps" not in hosts.started():
            await asyncio.sleep(0.01)
    assert await hosts.engine.interrupt("run 1")
    assert (await running).status == "cancelled"


async def test_a_live_object_in_an_expansion_is_refused_where_it_is_shown(hosts: Hosts) -> None:
    """`Expand` gives a subgraph with a live literal for `OpenThing`, whose home is the other host."""
    refused = await hosts.run("show", e=("Expand", {"n": 4}), show=("Show", {"value": "e:0"}))
    assert refused.failure is not None
    assert (refused.failure.kind, refused.failure.node) == ("CannotCross", "shown")


async def test_released_values_leave_every_host(hosts: Hosts) -> None:
    result = await hosts.run("text", long=("Long", {"size": 10}), text=("Text", {"value": "long:0"}))
    assert result.failure is None
    assert await hosts.engine.clear_cache() == 2
    again = await hosts.run("text", long=("Long", {"size": 10}), text=("Text", {"value": "long:0"}))
    assert again.ran == 2
