"""The server process: queue, engine, host and the aiohttp application. No torch is reachable from here.

It answers before its host has loaded: the schemas of the nodes come from the cache on disk, and runs wait for the host.
Only the first start of a version has no cache, and waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from limner import __version__
from limner.comfy.object_info import ObjectInfo
from limner.engine import Engine, RunRequest
from limner.engine.ports import HostLost, Said
from limner.executors.process import Callbacks, ProcessExecutor
from limner.files import Folders
from limner.graph import Catalog, NodeSchema
from limner.plugins.client import Loaded
from limner.queue import Job, JobQueue, State
from limner.runs import Bus, Consumer, Notice
from limner.server import ServerSettings, Services, create_app
from limner.server.services import LogLine
from limner.settings import Settings, as_flags
from limner.stores import prune
from limner.telemetry import logs
from limner.telemetry.logbook import LogBook

from .accounts import door, proxies_of
from .caching import cache, job_folder
from .collector import calm_collector
from .folders import prepared_folders
from .journal import keep_journal
from .listening import SERVER_URL, CannotServe, bound, urls
from .machine import HostMachine
from .pack_surface import HostPacks
from .preparation import job_key, prepare
from .schema_cache import cache_for
from .stores import stores

log = logging.getLogger(__name__)
host_log = logging.getLogger("limner.host")

SHUTDOWN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. The first of its addresses is the one to show."""

    urls: Sequence[str]
    services: Services
    hosts: ProcessExecutor


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` hears the address. Raises CannotServe, `limner.files.FileProblem`."""
    book = LogBook(LogLine)
    logs.configure(settings.verbose)
    logging.getLogger().addHandler(book)
    calm_collector()
    asyncio.run(_serve_until_told(settings, announce, book))


async def _serve_until_told(settings: Settings, announce: Callable[[str], None], book: LogBook[LogLine]) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with running(settings, book) as server:
        announce(server.urls[0])
        await stop.wait()


@asynccontextmanager
async def running(settings: Settings, book: LogBook[LogLine]) -> AsyncIterator[Running]:
    """A server with its host, until the context ends."""
    folders = prepared_folders(settings)
    sockets = bound(settings.listen, settings.port)
    async with AsyncExitStack() as closing:
        for socket in sockets:
            closing.callback(socket.close)
        accounts = door(settings, sockets)
        if accounts is not None:
            closing.callback(accounts.close)
        kept = await stores(settings, closing)
        queue, history, bus = kept.queue, kept.history, kept.bus
        _tidy(folders, job_folder(settings, folders), queue)
        node_set = NodeSet(folders)
        callbacks = node_set.callbacks(bus)
        told = {SERVER_URL: urls(sockets)[0]}
        hosts = ProcessExecutor(_host_command(settings), environment=told, callbacks=callbacks)
        closing.push_async_callback(hosts.close)
        engine = Engine(hosts, cache(settings, folders), hear=callbacks.said)
        node_set.engine = engine
        await hosts.start()
        if not node_set.catalog:
            log.info("first start of this version: reading the nodes")
            await _first_schemas(hosts)
        machine = HostMachine(hosts, engine, folders, lambda: node_set.catalog)
        packs = HostPacks(hosts, folders)
        node_set.when_ready(machine.refresh)
        node_set.when_ready(packs.refresh)
        if hosts.ready:
            packs.refresh()

        async def request(job: Job) -> RunRequest:
            return await prepare(job, node_set.catalog, machine)

        async def free() -> None:
            await machine.free(models=True, cache=False)

        consumer = Consumer(queue, engine, request, history, bus, free=free)
        services = Services(
            folders=folders,
            object_info=lambda: node_set.object_info,
            queue=queue,
            consumer=consumer,
            bus=bus,
            history=history,
            machine=machine,
            settings=_server_settings(settings),
            logs=book,
            accounts=accounts,
            packs=packs.surface,
        )
        for work in (consumer.serve(), keep_journal(bus)):
            closing.push_async_callback(_cancelled, asyncio.create_task(work))
        runner = web.AppRunner(create_app(services), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        closing.push_async_callback(runner.cleanup)
        for socket in sockets:
            await web.SockSite(runner, socket).start()
        yield Running(urls(sockets), services, hosts)


def _tidy(folders: Folders, jobs: Path, queue: JobQueue) -> None:
    """Delete what no job that is queued has left: what was written down, and the temporary files."""
    unfinished = (*queue.places(State.WAITING), *queue.places(State.PAUSED))
    prune(jobs, {job_key(job) for job in unfinished})
    if not any(job.attempts for job in unfinished):
        shutil.rmtree(folders.temp, ignore_errors=True)
    folders.temp.mkdir(parents=True, exist_ok=True)


class NodeSet:
    """The nodes that are known now: at first those of the cache, then those that the host says it has."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._cache = cache_for(folders)
        self.engine: Engine | None = None
        self._listeners: list[Callable[[], None]] = []
        self._learn(self._cache.load() or ())

    def callbacks(self, bus: Bus) -> Callbacks:
        """What the host's events do."""

        def said(message: Said) -> None:
            bus.publish([Notice(message, client=message.client)])

        return Callbacks(line=lambda line: host_log.info("%s", line), said=said, ready=self._ready, lost=self._lost)

    def when_ready(self, listener: Callable[[], None]) -> None:
        """Call it whenever a host has loaded."""
        self._listeners.append(listener)

    def _learn(self, schemas: Sequence[NodeSchema]) -> None:
        self.catalog = Catalog(schemas)
        self.object_info = ObjectInfo(self.catalog, self._folders.choices)

    def _ready(self, loaded: Loaded) -> None:
        if list(loaded.schemas) != list(self.catalog.values()):
            self._learn(loaded.schemas)
            self._cache.save(loaded.schemas)
        log.info("%d node types are ready", len(self.catalog))
        for listener in self._listeners:
            listener()

    def _lost(self, place: str, reason: str) -> None:
        if self.engine is not None:
            self.engine.forget(place)


async def _first_schemas(hosts: ProcessExecutor) -> None:
    try:
        await hosts.schemas()
    except HostLost as error:
        raise CannotServe(f"the nodes could not be loaded: {error}", "The log above says why") from error


def _host_command(settings: Settings) -> list[str]:
    return [sys.executable, "-m", "limner.app.host", json.dumps(as_flags(settings))]


def _server_settings(settings: Settings) -> ServerSettings:
    return ServerSettings(
        version=__version__,
        listen=tuple(settings.listen.split(",")),
        trusted_hosts=tuple(name.strip() for name in settings.trusted_hosts.split(",") if name.strip()),
        allow_external_requests=settings.allow_external_requests,
        webhook_hosts=tuple(name.strip() for name in settings.webhook_hosts.split(",") if name.strip()),
        max_upload_bytes=settings.max_upload_size * 2**20,
        front_end_root=settings.front_end_root,
        trusted_proxies=proxies_of(settings),
        proxy_user_header=settings.proxy_user_header,
        session_seconds=settings.session_days * 86400.0,
        requests_per_minute=settings.requests_per_minute,
        queued_per_user=settings.queued_per_user,
        arguments=tuple(sys.argv),
    )


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
