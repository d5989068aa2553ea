"""What the engine costs around nodes that do nothing, over HTTP and WebSocket, with the queue on disk.

The nodes run in a host process, as ever. Each graph is held against a plain loop over the same objects in this process.
"""

from __future__ import annotations

import asyncio
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .engine_client import Client, open_client
from .pack import NODE_CLASS_MAPPINGS
from .processes import server
from .report import Figure

Prompt = dict[str, Any]
PACK = Path(__file__).with_name("pack")
SLEEPERS, NAP = 8, 200
TURNS = 5
SMALL_JOBS = 200
MANY, MORE = 1_000, 100


def figures() -> Iterator[Figure]:
    """The least of several turns, as other work on the machine only ever adds; percentiles of the small jobs."""
    with tempfile.TemporaryDirectory(prefix="limner-bench-") as base:
        (Path(base) / "custom_nodes").mkdir()
        (Path(base) / "custom_nodes" / "measuring").symlink_to(PACK)
        port = ["--port", str(free_port()), "--base-directory", base, "--cpu"]
        with server([sys.executable, "-m", "limner.cli", "serve", *port]) as ours:
            yield from asyncio.run(measure(ours.url))


async def measure(url: str) -> list[Figure]:
    async with open_client(url) as client:
        await client.ready()
        await client.run(tree(1024))
        found = [await cold_tree(client), *await chains(client), await long_chain(client)]
        found += [await naps(client, "MeasuredCoroutine", 205), await naps(client, "MeasuredSleep", 260)]
        return [*found, *await small_jobs(client), await crowded(client)]


async def cold_tree(client: Client) -> Figure:
    taken = [await client.run(tree(1024)) for _ in range(TURNS)]
    return Figure("tree of 2,047, cold", min(taken), "ms", loop(tree(1024)), "a loop", bound=160)


async def chains(client: Client) -> list[Figure]:
    cold, edited, again = [], [], []
    for _ in range(TURNS):
        prompt = chain(300)
        cold.append(await client.run(prompt))
        prompt["299"]["inputs"]["b"] += 1
        edited.append(await client.run(prompt))
        again.append(await client.run(prompt))
    named = (("cold", cold, 40), ("last node edited", edited, 20), ("nothing changed", again, 15))
    base = loop(chain(300))
    return [Figure(f"chain of 300, {name}", min(taken), "ms", base, "a loop", bound) for name, taken, bound in named]


async def long_chain(client: Client) -> Figure:
    """Per node, less what a run of two nodes costs."""
    least = min([await client.run(chain(1)) for _ in range(10)])
    short = (min([await client.run(chain(100)) for _ in range(TURNS)]) - least) / 99
    long = (min([await client.run(chain(10_000)) for _ in range(2)]) - least) / 9_999
    return Figure("chain of 10,000, a node", long * 1000, "us", short * 1000, "chain of 100", bound=1.5 * short * 1000)


async def naps(client: Client, kind: str, bound: float) -> Figure:
    start = random.randrange(10**9)
    prompt: Prompt = {}
    for number in range(SLEEPERS):
        prompt[f"w{number}"] = node(kind, start + number, NAP)
        prompt[f"s{number}"] = show(f"w{number}")
    lane = "async" if kind == "MeasuredCoroutine" else "cpu"
    taken = min([await client.run(renumbered(prompt)) for _ in range(TURNS)])
    return Figure(f"8 sleeps of 200 ms, {lane} lane", taken, "ms", slept(), "8 threads", bound=bound)


async def small_jobs(client: Client) -> list[Figure]:
    taken = sorted([await client.run(chain(2)) for _ in range(SMALL_JOBS)])
    asked = sorted([await timed(client.length) for _ in range(SMALL_JOBS)])

    def figure(name: str, share: float, bound: float) -> Figure:
        position = int(SMALL_JOBS * share) - 1
        return Figure(f"job of 3 nodes, {name}", taken[position], "ms", asked[position], "GET /prompt", bound=bound)

    return [figure("median", 0.5, 2), figure("99th percentile", 0.99, 4)]


async def crowded(client: Client) -> Figure:
    """Queueing more jobs while many wait, beside the same while none does."""
    shares = []
    for _ in range(3):
        await client.post({"h": node("MeasuredHold", 0, 0), "s": show("h")})
        alone = await timed(lambda: client.post_many([chain(2) for _ in range(MORE)]))
        await client.post_many([chain(2) for _ in range(MANY - MORE)])
        shares.append(await timed(lambda: client.post_many([chain(2) for _ in range(MORE)])) / alone)
        await client.clear()
    return Figure("100 more jobs while 1,000 wait", statistics.median(shares), "x", 1.0, "an empty queue", bound=1.1)


async def timed(call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await call()
    return (time.perf_counter() - started) * 1000


def node(kind: str, a: object, b: object) -> Prompt:
    return {"class_type": kind, "inputs": {"a": a, "b": b}}


def show(source: str) -> Prompt:
    return {"class_type": "MeasuredShow", "inputs": {"a": [source, 0]}}


def chain(length: int) -> Prompt:
    """Of additions, with a number that no graph had before."""
    prompt = {"0": node("MeasuredAdd", random.randrange(10**15), 1)}
    for number in range(1, length):
        prompt[str(number)] = node("MeasuredAdd", [str(number - 1), 0], 1)
    return {**prompt, "show": show(str(length - 1))}


def tree(leaves: int) -> Prompt:
    start = random.randrange(10**15)
    prompt = {str(number): node("MeasuredAdd", start + number, 1) for number in range(leaves)}
    for number in range(leaves, 2 * leaves - 1):
        left = 2 * (number - leaves)
        prompt[str(number)] = node("MeasuredAdd", [str(left), 0], [str(left + 1), 0])
    return {**prompt, "show": show(str(2 * leaves - 2))}


def renumbered(prompt: Prompt) -> Prompt:
    """The same with other numbers, so that nothing of it is remembered."""
    by = random.randrange(10**15)
    return {
        name: node(each["class_type"], each["inputs"]["a"] + by, each["inputs"]["b"]) if name[0] == "w" else each
        for name, each in prompt.items()
    }


def loop(prompt: Prompt) -> float:
    """Milliseconds of a plain loop over the graph, which stands in an order that works."""
    objects = {name: NODE_CLASS_MAPPINGS[each["class_type"]]() for name, each in prompt.items()}
    values: dict[str, Any] = {}
    started = time.perf_counter()
    for name, each in prompt.items():
        given = {key: values[to[0]][to[1]] if isinstance(to, list) else to for key, to in each["inputs"].items()}
        values[name] = objects[name].run(**given)
    return (time.perf_counter() - started) * 1000


def slept() -> float:
    with ThreadPoolExecutor(SLEEPERS) as pool:
        started = time.perf_counter()
        list(pool.map(time.sleep, [NAP / 1000] * SLEEPERS))
        return (time.perf_counter() - started) * 1000


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
