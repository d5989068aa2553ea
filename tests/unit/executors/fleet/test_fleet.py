"""Runs on a fleet: where their steps run, what crosses, and what becomes of them when a worker goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import pytest

from limner.engine import Engine, RunRequest, RunResult
from limner.engine.events import Event, StepProgress, StepStarted
from limner.engine.values import Fingerprint, Values
from limner.executors.exchange import EARLIER
from limner.executors.fleet.facts import Capabilities, Needs
from limner.executors.fleet.fleet import HOME, Fleet
from limner.executors.fleet.matching import Matcher
from limner.executors.local import LocalExecutor
from limner.executors.remote.calls import Fetched, Greeting
from limner.executors.remote.host import Callbacks, Depot, Patience, RemoteHost
from limner.graph import Catalog, NodeSchema
from limner.stores import MemoryCache
from tests.support import host_nodes
from tests.support.agents import Near
from tests.support.graphs import graph

QUICK = Patience(breath=0.05, silence=0.4, again=0.05)


def at_home(schema: NodeSchema) -> bool:
    return schema.traits.output


class Land:
    """A fleet of workers in this process, with an engine over it."""

    def __init__(self) -> None:
        self.home = LocalExecutor(host_nodes.core(device_thread=True))
        self.matcher = Matcher(lambda place: Needs())
        self.fleet = Fleet(self.home, self.matcher, at_home=at_home)
        self.engine = Engine(self.fleet, MemoryCache())
        self.catalog = Catalog(self.home.core.schemas())
        self.depot = Depot()
        self.near: dict[str, Near] = {}
        self.hosts: dict[str, RemoteHost] = {}
        self.refused: dict[str, str] = {}
        self.held: dict[Fingerprint, Values] = {}
        self.events: list[Event] = []
        self._runs = 0

    async def add(self, name: str, **greeting: object) -> Near:
        near = self.near[name] = Near(name, **greeting)
        await self.connect(name)
        return near

    async def connect(self, name: str) -> None:
        def ready(greeting: Greeting) -> None:
            self.fleet.joined(name, self.hosts[name], Capabilities(frozenset(greeting.node_types)))

        def lost(place: str, reason: str, back: bool) -> None:
            self.fleet.left(name, expected=back)
            self.engine.forget(place)

        def refused(reason: str) -> None:
            self.refused[name] = reason

        callbacks = Callbacks(ready, lost, refused, held=self.held.__setitem__)
        host = self.hosts[name] = RemoteHost(
            name, self.near[name], self.depot, version="1.0", callbacks=callbacks, patience=QUICK
        )
        await host.start()
        async with asyncio.timeout(10):
            while not host.ready and name not in self.refused:
                await asyncio.sleep(0.01)

    async def run(
        self, worker: str, *targets: str, needs: Needs | None = None, **nodes: tuple[str, Mapping[str, object]]
    ) -> RunResult:
        self._runs += 1
        run = f"run {self._runs}"
        wants = needs or Needs(frozenset(kind for kind, _ in nodes.values()))
        self.matcher.began(run, worker, wants)
        self.fleet.assign(run, worker, wants)
        request = RunRequest(run, graph(**nodes), targets, self.catalog)
        return await self.engine.run(request, self.take)

    def take(self, events: Sequence[Event]) -> None:
        self.events.extend(events)

    async def advances(self, node: str) -> None:
        """Wait until a step goes on, from now."""
        self.events.clear()
        async with asyncio.timeout(20):
            while not any(isinstance(event, StepProgress) and event.node == node for event in self.events):
                await asyncio.sleep(0.01)

    def started(self) -> list[str]:
        return [event.node for event in self.events if isinstance(event, StepStarted)]

    async def close(self) -> None:
        for host in self.hosts.values():
            await host.close()
        for near in self.near.values():
            await near.close()
        self.home.close()


@pytest.fixture
async def land() -> AsyncIterator[Land]:
    land = Land()
    yield land
    await land.close()


def shown(result: RunResult, node: str) -> object:
    assert result.failure is None, result.failure
    return result.outputs[node]["value"]


async def test_steps_run_at_the_worker_and_what_is_shown_comes_home(land: Land) -> None:
    near = await land.add("w1")
    result = await land.run(
        "w1",
        "show",
        long=("Long", {"size": 300_000}),
        length=("Length", {"text": "long:0"}),
        show=("Show", {"value": "length:0"}),
    )
    assert shown(result, "show") == [300_000]
    assert len(near.core.values) == 2
    assert len(land.home.core.values) > 0


async def test_a_worker_of_another_version_and_one_with_a_wrong_clock_are_refused(land: Land) -> None:
    await land.add("old", version="0.9")
    await land.add("late", time=0.0)
    assert "it runs Limner 0.9, and the server 1.0" in land.refused["old"]
    assert "its clock is" in land.refused["late"]
    assert list(land.matcher.workers) == []


async def test_a_model_is_made_again_where_it_is_needed(land: Land) -> None:
    one, two = await land.add("w1"), await land.add("w2")
    thing: dict[str, tuple[str, Mapping[str, object]]] = {"thing": ("MakeThing", {"value": 4})}
    first = await land.run(
        "w1", "show", **thing, open=("OpenThing", {"thing": "thing:0"}), show=("Show", {"value": "open:0"})
    )
    assert shown(first, "show") == [4]
    second = await land.run(
        "w2",
        "show",
        **thing,
        open=("OpenThing", {"thing": "thing:0"}),
        add=("Add", {"a": "open:0", "b": 1}),
        twice=("OpenThing", {"thing": "thing:0"}),
        sum=("Add", {"a": "add:0", "b": "twice:0"}),
        show=("Show", {"value": "sum:0"}),
    )
    assert shown(second, "show") == [9]
    assert land.started().count("thing") == 1
    assert len(one.core.values) and len(two.core.values)


async def test_an_output_node_that_takes_a_live_object_runs_at_the_worker(land: Land) -> None:
    await land.add("w1")
    result = await land.run(
        "w1",
        "show",
        text=("Text", {"value": "thing:0"}),
        thing=("MakeThing", {"value": 4}),
        show=("Show", {"value": "text:0"}),
    )
    assert "Thing" in str(shown(result, "show"))


async def test_values_go_from_worker_to_worker(land: Land) -> None:
    await land.add("w1")
    await land.add("w2")
    long: dict[str, tuple[str, Mapping[str, object]]] = {"long": ("Long", {"size": 200_000})}
    assert (await land.run("w1", "length", **long, length=("Length", {"text": "long:0"}))).failure is None
    result = await land.run(
        "w2",
        "show",
        **long,
        text=("Text", {"value": "long:0"}),
        length=("Length", {"text": "text:0"}),
        show=("Show", {"value": "length:0"}),
    )
    assert shown(result, "show") == [200_004]
    assert land.started().count("long") == 1
    assert land.depot._there == {}


async def test_a_worker_that_is_cut_off_costs_its_steps_and_no_blame(land: Land) -> None:
    near = await land.add("w1")
    await land.add("w2")
    running = asyncio.create_task(
        land.run(
            "w1",
            "show",
            before=("Add", {"a": 1, "b": 2}),
            slow=("Steps", {"n": 400, "seconds": 0.05}),
            sum=("Add", {"a": "before:0", "b": "slow:0"}),
            show=("Show", {"value": "sum:0"}),
        )
    )
    await land.advances("slow")
    near.cut = True
    async with asyncio.timeout(20):
        while land.hosts["w1"].ready:
            await asyncio.sleep(0.01)
    await land.advances("slow")
    assert list(land.matcher.workers) == ["w2"]
    await land.engine.interrupt("run 1")
    assert (await running).status == "cancelled"


async def test_a_worker_that_comes_back_tells_what_it_holds(land: Land) -> None:
    near = await land.add("w1")
    await land.run("w1", "a", a=("Add", {"a": 1, "b": 2}))
    near.cut = True
    async with asyncio.timeout(20):
        while land.matcher.workers:
            await asyncio.sleep(0.01)
    near.cut = False
    async with asyncio.timeout(20):
        while not land.held:
            await asyncio.sleep(0.01)
    (values,) = land.held.values()
    assert values.handles[0].place == land.hosts["w1"].place + EARLIER


async def test_a_node_that_kills_its_host_is_blamed(land: Land) -> None:
    near = await land.add("w1")

    def dies(place: str) -> None:
        near.agent.lost("the host was killed by SIGSEGV")
        near.agent.loaded(near_loaded)

    near_loaded = near.agent._loaded
    assert near_loaded is not None
    running = asyncio.create_task(land.run("w1", "slow", slow=("Steps", {"n": 400, "seconds": 0.05})))
    for _ in range(2):
        await land.advances("slow")
        dies("")
    result = await running
    assert result.failure is not None and result.failure.node == "slow"
    assert "SIGSEGV" in result.failure.message


async def test_without_workers_everything_runs_at_home(land: Land) -> None:
    land.fleet.joined(HOME, land.home, Capabilities(everything=True))
    result = await land.run(HOME, "show", a=("Add", {"a": 1, "b": 2}), show=("Show", {"value": "a:0"}))
    assert shown(result, "show") == [3]


async def test_long_branches_run_at_once_on_idle_workers(land: Land) -> None:
    for name in ("w1", "w2"):
        await land.add(name)
    slow: dict[str, tuple[str, Mapping[str, object]]] = {"s": ("Steps", {"n": 2, "seconds": 0.5})}
    assert (await land.run("w1", "s", **slow)).failure is None
    land.fleet._seconds["Steps"] = 3.0
    result = await land.run(
        "w1",
        "show",
        one=("Steps", {"n": 3, "seconds": 0.1}),
        two=("Steps", {"n": 4, "seconds": 0.1}),
        sum=("Add", {"a": "one:0", "b": "two:0"}),
        show=("Show", {"value": "sum:0"}),
    )
    assert shown(result, "show") == [7]
    assert len(land.near["w1"].core.values) >= 2 and len(land.near["w2"].core.values) >= 1
    assert not any(state.busy for state in land.matcher.workers.values())


async def gone(land: Land, name: str) -> None:
    async with asyncio.timeout(20):
        while name in land.matcher.workers:
            await asyncio.sleep(0.01)


async def test_a_worker_that_comes_back_anew_has_not_what_it_had(land: Land) -> None:
    await land.add("w1")
    await land.add("w2")
    long: dict[str, tuple[str, Mapping[str, object]]] = {"long": ("Long", {"size": 200_000})}
    await land.run("w1", "length", **long, length=("Length", {"text": "long:0"}))
    land.near["w1"].cut = True
    await gone(land, "w1")
    await land.hosts["w1"].close()
    land.fleet.left("w1")
    await land.add("w1")
    await land.run("w2", "length", **long, length=("Length", {"text": "long:0"}))
    async with asyncio.timeout(10):
        result = await land.run("w1", "text", **long, text=("Text", {"value": "long:0"}))
    assert result.status == "done"


async def test_a_run_on_two_workers_goes_on_with_one(land: Land) -> None:
    for name in ("w1", "w2"):
        await land.add(name)
    land.fleet._seconds["Steps"] = 3.0
    running = asyncio.create_task(
        land.run(
            "w1",
            "show",
            one=("Steps", {"n": 3, "seconds": 0.1}),
            two=("Steps", {"n": 20, "seconds": 0.1}),
            sum=("Add", {"a": "one:0", "b": "two:0"}),
            show=("Show", {"value": "sum:0"}),
        )
    )
    async with asyncio.timeout(10):
        while len(land.fleet._runs["run 1"].seats if land.fleet._runs else ()) < 2:
            await asyncio.sleep(0.01)
    land.near["w2"].cut = True
    await gone(land, "w2")
    land.fleet.left("w2")
    async with asyncio.timeout(20):
        assert shown(await running, "show") == [23]


async def test_a_run_that_waits_for_a_worker_is_interrupted(land: Land) -> None:
    near = await land.add("w1")
    running = asyncio.create_task(land.run("w1", "slow", slow=("Steps", {"n": 400, "seconds": 0.05})))
    await land.advances("slow")
    near.cut = True
    await gone(land, "w1")
    land.matcher.settled = False
    land.fleet.left("w1")
    await asyncio.sleep(0.1)
    assert not running.done()
    await land.engine.interrupt("run 1")
    async with asyncio.timeout(5):
        assert (await running).status == "cancelled"
    assert not land.fleet._runs and not land.fleet._waiting


async def test_a_model_of_an_earlier_servers_time_is_made_anew_elsewhere(land: Land) -> None:
    for name in ("w1", "w2"):
        await land.add(name)
    thing: dict[str, tuple[str, Mapping[str, object]]] = {"thing": ("MakeThing", {"value": 4})}
    first = await land.run("w1", "open", **thing, open=("OpenThing", {"thing": "thing:0"}))
    assert first.failure is None
    (fingerprint,) = [task for task, recipe in land.fleet._recipes._known.items() if recipe.task.type == "MakeThing"]
    values = land.engine._cache.get(fingerprint)
    assert values is not None
    # As if another server had made it: nobody knows how.
    land.fleet._recipes.forget(fingerprint)
    earlier = replace(values, handles=tuple(replace(h, place=land.hosts["w1"].place + EARLIER) for h in values.handles))
    land.fleet.holds("w1", fingerprint, earlier)
    await land.engine.adopt(fingerprint, earlier)
    add = ("Add", {"a": "open:0", "b": 1})
    second = await land.run("w2", "add", **thing, open=("OpenThing", {"thing": "thing:0"}), add=add)
    assert second.failure is None or second.failure.kind != "CannotCross"
    third = await land.run("w2", "text", **thing, text=("Text", {"value": "thing:0"}))
    assert third.failure is None


async def test_what_cannot_be_stored_fails_the_step_once(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    await land.add("w1")
    near = await land.add("w2")
    long: dict[str, tuple[str, Mapping[str, object]]] = {"long": ("Long", {"size": 200_000})}
    await land.run("w1", "length", **long, length=("Length", {"text": "long:0"}))
    calls = []

    async def refuses(*given: object) -> Fetched:
        calls.append(given)
        return Fetched(kind="NoRoom", message="there is no room")

    monkeypatch.setattr(near, "store", refuses)
    async with asyncio.timeout(10):
        result = await land.run("w2", "text", **long, text=("Text", {"value": "long:0"}))
    assert result.failure is not None and "there is no room" in result.failure.message
    assert len(calls) == 1
