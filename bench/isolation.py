"""What a host of its own costs a pack: pictures there and back, and calls."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import torch

from limner.app.folders import prepared_folders
from limner.app.hosts import Hosts
from limner.engine.ports import Ended, Report, Segment, Task
from limner.engine.values import Failure, Held
from limner.executors.exchange import Host
from limner.executors.process import Callbacks
from limner.settings import resolve

from .report import Figure

OWN_PACK, SHARED_PACK = Path(__file__).with_name("own_pack"), Path(__file__).with_name("pack")
TURNS, SIDE, CHAIN = 30, 1024, 300


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="limner-bench-") as base:
        packs = Path(base) / "custom_nodes"
        packs.mkdir()
        (packs / "own").symlink_to(OWN_PACK)
        (packs / "measuring").symlink_to(SHARED_PACK)
        yield from asyncio.run(measure(Path(base)))


async def measure(base: Path) -> list[Figure]:
    async with opened(base) as hosts:
        shared, own = hosts.by_name[""], hosts.by_name["own"]
        found = [await there_and_back(shared, own)]
        loop = plain_calls() * 1e6
        found.append(Figure("a node's call, shared host", await calls(shared, "MeasuredAdd"), "us", loop, "a call", 60))
        found.append(Figure("a node's call, own host", await alone(own), "us", loop, "a call", 300))
        return found


@asynccontextmanager
async def opened(base: Path) -> AsyncIterator[Hosts]:
    """Both hosts, loaded."""
    settings = resolve({"base_directory": str(base), "cpu": True, "port": "0"}, {})
    hosts = Hosts(settings, prepared_folders(settings))
    hosts.make({}, lambda name: Callbacks(line=lambda line: None), lambda kind: "own" if kind == "OwnAdd" else "")
    await hosts.start()
    try:
        await asyncio.gather(*(host.schemas() for host in hosts.by_name.values()))
        yield hosts
    finally:
        await hosts.close()


async def there_and_back(shared: Host, own: Host) -> Figure:
    """A picture of the shared host is stored in the other, taken from there and stored again."""
    await run(
        shared, Task("1", "1", "EmptyImage", "picture", {"width": SIDE, "height": SIDE, "batch_size": 1, "color": 7})
    )
    taken = []
    for turn in range(TURNS):
        started = time.perf_counter()
        await crossed(shared, own, "picture" if turn == 0 else f"back {turn - 1}", f"there {turn}")
        await crossed(own, shared, f"there {turn}", f"back {turn}")
        taken.append((time.perf_counter() - started) * 1000)
        await own.release([f"there {turn}"])
        if turn:
            await shared.release([f"back {turn - 1}"])
    picture, room = torch.rand(SIDE, SIDE, 3), torch.empty(SIDE, SIDE, 3)
    copies = []
    for _ in range(TURNS):
        started = time.perf_counter()
        room.copy_(picture)
        copies.append((time.perf_counter() - started) * 2000)
    name = f"picture of {SIDE} x {SIDE} x 3 floats, there and back"
    return Figure(name, statistics.median(taken), "ms", statistics.median(copies), "two copies", bound=5)


async def crossed(source: Host, target: Host, known: str, new: str) -> None:
    parcel = await source.fetch(known, 0, shared=True)
    await target.store(new, {0: parcel})
    source.arrived([parcel])


async def calls(host: Host, kind: str) -> float:
    """Microseconds of each call in a chain that crosses to the host once."""
    least = float("inf")
    for turn in range(5):
        name = f"{kind} {turn}"
        tasks = [Task("0", "0", kind, f"{name}.0", {"a": 1, "b": 1})]
        tasks += [
            Task(str(n), str(n), kind, f"{name}.{n}", {"a": Held(f"{name}.{n - 1}", 0), "b": 1})
            for n in range(1, CHAIN)
        ]
        started = time.perf_counter()
        await run(host, *tasks)
        least = min(least, time.perf_counter() - started)
    return least / CHAIN * 1e6


async def alone(host: Host) -> float:
    """Microseconds of a call that crosses to the host by itself; the median."""
    taken = []
    for turn in range(CHAIN):
        task = Task("0", "0", "OwnAdd", f"alone {turn}", {"a": turn, "b": 1})
        started = time.perf_counter()
        await run(host, task)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


async def run(host: Host, *tasks: Task) -> None:
    failed: list[Failure] = []

    def take(reports: list[Report]) -> None:
        failed.extend(item.result for item in reports if isinstance(item, Ended) and isinstance(item.result, Failure))

    await host.run(Segment("bench", tasks, {}), take)  # type: ignore[arg-type]
    if failed:
        raise RuntimeError(failed[0].message)


def plain_calls() -> float:
    """Seconds of a plain call of the same method."""
    from .own_pack import OwnAdd

    node, value = OwnAdd(), 0
    started = time.perf_counter()
    for _ in range(CHAIN):
        (value,) = node.run(a=value, b=1)
    return (time.perf_counter() - started) / CHAIN
