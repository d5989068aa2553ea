"""`limner worker`: takes this machine into a cluster, and out of it again.

Rules, stated once:

- A worker for each accelerator that Ray has on this machine; one for the processor where there is none.
- They live as long as this process. Told to end, it lets them finish what they have; told again, it does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any

from limner.executors.remote import ray
from limner.executors.remote.calls import AgentGone
from limner.settings import Settings, as_flags

log = logging.getLogger("limner.worker")

DRAIN_LOOK = 0.2
"""Seconds between two looks whether a worker is done."""
LINES_SECONDS = 5.0
STOP_SECONDS = 10.0
STEADY_SECONDS = 30.0
"""After so long, a worker's death is not taken to be the next of a series."""
ATTEMPTS = 5


class CannotJoin(Exception):
    """There will be no worker; `remedy` says what the user can do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}. {remedy}")


def work(settings: Settings, address: str, name: str, announce: Callable[[str], None]) -> None:
    """Work until SIGINT or SIGTERM. `name` is the workers', or empty for this machine's. Raises CannotJoin."""
    try:
        cluster = ray.join(address)
    except ray.NoCluster as error:
        raise CannotJoin(str(error), error.remedy) from error
    try:
        asyncio.run(_work(settings, cluster, name or _machine_name(), announce))
    except* CannotJoin as group:
        raise group.exceptions[0] from None
    finally:
        cluster.leave()


async def _work(settings: Settings, cluster: ray.Joined, name: str, announce: Callable[[str], None]) -> None:
    ends = asyncio.Queue[int]()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, ends.put_nowait, sign)
    crew = _Crew(settings, cluster, name)
    await crew.start()
    announce(f"{len(crew.titles)} worker{'s' if len(crew.titles) > 1 else ''} at {cluster.address}: {crew.names}")
    keeping = asyncio.create_task(crew.keep())
    told = asyncio.create_task(ends.get())
    try:
        await asyncio.wait([told, keeping], return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()
        keeping.cancel()  # from now on, none is replaced
        await _drained(list(crew.actors.values()), ends)
    finally:
        for task in (told, keeping):
            task.cancel()
        await asyncio.gather(told, keeping, return_exceptions=True)


class _Crew:
    """The workers of this machine; one that dies gets a successor."""

    def __init__(self, settings: Settings, cluster: ray.Joined, name: str) -> None:
        self._settings, self._cluster = settings, cluster
        devices = 0 if settings.cpu else cluster.accelerators
        self._accelerators = min(devices, 1)
        self.titles = [f"{name}-{number}" for number in range(devices)] if devices > 1 else [name]
        self.actors: dict[str, Any] = {}

    @property
    def names(self) -> str:
        return ", ".join(self.titles)

    async def start(self) -> None:
        """Raises CannotJoin."""
        for title in self.titles:
            try:
                self.actors[title] = await self._made(title)
            except ray.NameTaken as error:
                raise CannotJoin(f"there is a worker {title} already", "Give this one another: --name NAME") from error
            except AgentGone as error:
                raise CannotJoin(f"the worker {title} does not start: {error}", "See the log above") from error

    async def keep(self) -> None:
        """Raises CannotJoin when a worker cannot be replaced."""
        async with asyncio.TaskGroup() as group:
            for title in self.titles:
                group.create_task(self._keep(title))

    async def _keep(self, title: str) -> None:
        failures = 0
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                await _watched(self.actors[title], title)
            except AgentGone as error:
                log.error("worker %s: %s; another takes its place", title, error)
            failures = 0 if asyncio.get_running_loop().time() - begun > STEADY_SECONDS else failures + 1
            await asyncio.sleep(min(2.0**failures, 30.0) - 1.0)
            try:
                self.actors[title] = await self._made(title)
            except (AgentGone, ray.NameTaken) as error:
                if failures >= ATTEMPTS:
                    problem = f"the worker {title} is gone, and none can take its place: {error}"
                    raise CannotJoin(problem, "See the log above, and whether the server's Ray runs") from error

    async def _made(self, title: str) -> Any:
        """Raises AgentGone, ray.NameTaken."""
        from .worker_actor import WorkerActor

        arguments = (title, as_flags(self._settings), dict(os.environ))
        actor = self._cluster.actor(WorkerActor, title, arguments, accelerators=self._accelerators)
        await ray.answer(actor.start.remote())
        return actor


async def _watched(actor: Any, title: str) -> None:
    """Says here what the worker logs. Raises AgentGone when it is."""
    talking = asyncio.create_task(_repeat_lines(actor, title))
    try:
        while True:
            await ray.answer(actor.hello.remote())
            await asyncio.sleep(1.0)
    finally:
        talking.cancel()


async def _repeat_lines(actor: Any, title: str) -> None:
    """Say here what a worker logs."""
    with contextlib.suppress(AgentGone):
        while True:
            for line in await ray.answer(actor.lines.remote(LINES_SECONDS)):
                level, _, text = line.partition(" ")
                log.log(logging.getLevelNamesMapping().get(level.upper(), logging.INFO), "%s: %s", title, text)


async def _drained(actors: Sequence[Any], ends: asyncio.Queue[int]) -> None:
    """Wait until all have finished what they had, or for the next signal."""
    log.info("finishing what is under way; again to end at once")
    again = asyncio.create_task(ends.get())
    waiting = [asyncio.create_task(_drain(actor)) for actor in actors]
    done = asyncio.create_task(_all(waiting))
    await asyncio.wait([again, done], return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    for task in (*waiting, done):
        task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            stops = (ray.answer(actor.stop.remote()) for actor in actors)
            await asyncio.gather(*stops, return_exceptions=True)


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _drain(actor: Any) -> None:
    with contextlib.suppress(AgentGone):
        while not await ray.answer(actor.drain.remote()):
            await asyncio.sleep(DRAIN_LOOK)


def _machine_name() -> str:
    return re.sub(r"[^\w.-]", "-", socket.gethostname())
