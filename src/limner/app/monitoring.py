"""What a server tells of itself: metrics of its runs, hosts, queue, machine and disks.

The runs' part is read from the bus, as any client reads it; the rest is asked when somebody scrapes.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from prometheus_client.core import Metric

from limner import __version__
from limner.files import Folders
from limner.queue import JobQueue, State
from limner.runs import Bus, Consumer, JobTaken, Message
from limner.server.services import Machine
from limner.stores import MemoryCache
from limner.telemetry.metrics import Activity, Cores, Exposition, Gpus
from limner.telemetry.metrics import families as f
from limner.telemetry.metrics import gpus as gpu_metrics
from limner.telemetry.metrics import machine as machine_metrics
from limner.telemetry.metrics.tally import Bounded

from .hosts import Hosts
from .news import HostNews
from .node_set import SHARED
from .readiness import Readiness

MOST_HOSTS = 32
"""Hosts that are told apart."""
SERVER, HOST = "server", "host"


class Monitoring:
    """The metrics of one server: a `limner.server.services.Metrics`."""

    def __init__(
        self,
        *,
        bus: Bus,
        queue: JobQueue,
        consumer: Consumer,
        hosts: Hosts,
        news: HostNews,
        machine: Machine,
        folders: Folders,
        memory: MemoryCache,
        ready: Readiness,
    ) -> None:
        self._bus, self._queue, self._hosts, self._news, self._machine = bus, queue, hosts, news, machine
        self._folders, self._memory, self._ready = folders, memory, ready
        self._activity = Activity(backlog=lambda: bus.backlog, running=lambda: consumer.running)
        self._host = Bounded(MOST_HOSTS)
        self._cores, self._gpus = Cores(), Gpus()
        self._exposition = Exposition((lambda: self._activity.snapshot(time.time()), self._state, self._of_machine))

    async def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics in the format that the Accept header wants, and its media type."""
        await self._ready()
        return await self._exposition.scrape(accept)

    def hear(self, batch: Sequence[Message]) -> None:
        """Count what happens."""
        activity = self._activity
        for message in batch:
            body = message.body
            if type(body) is JobTaken:
                activity.taken(body.added, body.attempt, message.time)
            else:
                activity.hear(body, message.time)
        if batch:
            activity.read(len(batch), batch[0].time, time.time())

    def _state(self) -> Callable[[], Iterable[Metric]]:
        """What the server's parts know of themselves."""
        hosts, queue = self._hosts, self._queue
        up: dict[str, float] = {}
        deaths: Counter[str] = Counter()
        for name, host in hosts.by_name.items():
            label = self._named(name)
            up[label] = min(up.get(label, 1.0), float(host.ready))
            deaths[label] += self._news.deaths[name]
        devices = self._machine.devices()
        found = [
            f.BUILD.of({__version__: 1.0}),
            f.READY.of(float(self._machine.ready and not self._ready.latest)),
            f.QUEUE_SIZE.of(len(queue)),
            f.JOBS.of({state.value: float(queue.count(state)) for state in State}),
            f.HOST_UP.of(up),
            f.HOST_RESTARTS.of(deaths),
            f.MOVED_VALUES.of(hosts.traffic.values),
            f.MOVED_BYTES.of(hosts.traffic.bytes),
            f.CACHE_BYTES.of(self._memory.bytes),
            f.CACHE_ENTRIES.of(len(self._memory)),
            f.DEVICE_TOTAL.of({str(device["name"]): float(device["vram_total"]) for device in devices}),
            f.DEVICE_FREE.of({str(device["name"]): float(device["vram_free"]) for device in devices}),
        ]
        return lambda: found

    def _of_machine(self) -> Callable[[], Iterable[Metric]]:
        hosts = {process: pid for name, pid in self._hosts.pids.items() if (process := self._process(name))}
        processes = {SERVER: os.getpid()} | hosts
        folders = disks(self._folders)

        def read() -> Iterable[Metric]:
            yield from machine_metrics.metrics(self._cores, processes, folders)
            yield from gpu_metrics.metrics(self._gpus.read())

        return read

    def _named(self, name: str) -> str:
        return "shared" if name == SHARED else self._host(name)

    def _process(self, name: str) -> str:
        """Empty for a host beyond those that are told apart: sums over processes that come and go mean nothing."""
        label = self._named(name)
        return HOST if name == SHARED else f"{HOST} {label}" if label == name else ""


def disks(folders: Folders) -> Mapping[str, Path]:
    """The folders that need room, by what they are called."""
    models = folders.models.get("checkpoints")
    paths = {"output": folders.output, "temp": folders.temp, "user": folders.user}
    return paths | ({"models": models.paths[0]} if models is not None and models.paths else {})
