"""A queue of 100,000 jobs: queueing another one and looking at a page, beside the same with ten jobs.

Each job is a graph of its own, put into the queue over HTTP, and on the disk. None runs meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from .crowd_client import chain
from .engine import PACK, free_port
from .processes import PATIENCE, Measured, server
from .report import Figure

FEW, MANY = 10, 100_000
ROUNDS, TURNS = 5, 100
"""Of each figure: the least of several medians, as other work on the machine, and its disk, only ever adds."""
AT_ONCE = 16
RATIO = 1.2
"""How much longer than with few jobs still counts as as fast: what two runs with few jobs differ by."""


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="limner-bench-") as base:
        (Path(base) / "custom_nodes").mkdir()
        (Path(base) / "custom_nodes" / "measuring").symlink_to(PACK)
        command = ["serve", "--port", str(free_port()), "--base-directory", base, "--cpu", "--verbose", "WARNING"]
        with server([sys.executable, "-m", "limner.cli", *command]) as ours:
            yield from asyncio.run(measure(ours))


async def measure(ours: Measured) -> list[Figure]:
    async with asking(ours.url) as client:
        few = await client.figures(FEW)
        before = ours.resident
        seconds = await client.fill(MANY)
        many = await client.figures(MANY)
    names = {
        "post": "POST /prompt",
        "first": "GET /queue, the first ten",
        "last": "GET /queue, the last ten",
        "jobs": "GET /jobs, the first ten",
        "length": "GET /prompt",
    }
    found = [
        Figure(f"{name}, {MANY:,} jobs wait", many[key], "ms", few[key], f"{FEW} wait", bound=RATIO * few[key])
        for key, name in names.items()
    ]
    found.append(Figure("resident, server process", ours.resident, "MB", before, f"{FEW} wait"))
    return [*found, Figure("jobs a second while it fills", (MANY - FEW) / seconds, "")]


class Asking:
    """Asks the server, and says how long the answers take."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session
        self._numbers = itertools.count()

    async def post(self, path: str, body: object) -> Any:
        async with self._session.post(self._url + path, json=body) as answer:
            told = await answer.json()
            if answer.status != 200:
                raise RuntimeError(str(told)[:500])
            return told

    async def get(self, path: str) -> Any:
        async with self._session.get(self._url + path) as answer:
            return await answer.json()

    async def queue(self) -> str:
        return str((await self.post("/prompt", {"prompt": chain(next(self._numbers))}))["prompt_id"])

    async def figures(self, length: int) -> dict[str, float]:
        """Milliseconds, with a queue of this length, which is filled where it is shorter."""
        await self.fill(length)
        asked = {
            "first": f"/queue?limit={FEW}",
            "last": f"/queue?limit={FEW}&offset={length - FEW}",
            "jobs": f"/jobs?limit={FEW}",
            "length": "/prompt",
        }
        found: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            found.setdefault("post", []).append(await self._posted())
            for key, path in asked.items():
                found.setdefault(key, []).append(await self._asked(path))
        return {key: min(medians) for key, medians in found.items()}

    async def _asked(self, path: str) -> float:
        taken = []
        for _ in range(TURNS):
            started = time.perf_counter()
            await self.get(path)
            taken.append(time.perf_counter() - started)
        return statistics.median(taken) * 1000

    async def _posted(self) -> float:
        """Of queueing another job, which is taken out again."""
        taken = []
        for _ in range(TURNS):
            started = time.perf_counter()
            run = await self.queue()
            taken.append(time.perf_counter() - started)
            await self.post("/queue", {"delete": [run]})
        return statistics.median(taken) * 1000

    async def fill(self, length: int) -> float:
        """Queue jobs until so many wait; the seconds that it took."""
        started = time.monotonic()
        missing = iter(range(length - (await self.get("/prompt"))["exec_info"]["queue_remaining"]))

        async def some() -> None:
            for _ in missing:
                await self.queue()

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        return time.monotonic() - started


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Asking]:
    """A client of a server that is ready, and whose queue is paused."""
    async with aiohttp.ClientSession() as session:
        client = Asking(url, session)
        async with asyncio.timeout(PATIENCE):
            while (await client.get("/readyz")).get("error"):
                await asyncio.sleep(0.05)
        await client.post("/queue/pause", {})
        yield client
