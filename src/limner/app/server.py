"""The server process: queue, engine, host and the aiohttp application. No torch is reachable from here.

It answers before its host has loaded: the schemas of the nodes come from the cache on disk, and runs wait for the host.
Only the first start of a version has no cache, and waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from limner import __version__
from limner.comfy.adopted.folder import NoComfyUI
from limner.engine import Engine, RunRequest
from limner.engine.ports import HostLost
from limner.files import Folders, clear_leftovers
from limner.queue import Job, JobQueue, State
from limner.runs import Consumer
from limner.server import ServerSettings, Services, create_app
from limner.server.services import LogLine, no_workers
from limner.settings import Settings
from limner.stores import prune
from limner.telemetry import logs
from limner.telemetry.logbook import LogBook

from .accounts import door, proxies_of
from .caching import cache, job_folder, memory_cache
from .clustering import open_cluster
from .collector import calm_collector
from .folders import prepared_folders
from .hosts import Hosts
from .journal import keep_journal
from .listening import SERVER_URL, CannotServe, bound, urls
from .machine import HostMachine
from .metrics_port import metrics_door, metrics_port
from .monitoring import Monitoring
from .news import HostNews
from .node_set import NodeSet
from .pack_surface import HostPacks
from .pack_watch import watch_packs
from .preparation import job_key, prepare
from .readiness import Readiness
from .reading import reading
from .stores import Stores, stores
from .tracing import collector, traced

if TYPE_CHECKING:
    from .cluster import Cluster

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. The first of its addresses is the one to show."""

    urls: Sequence[str]
    services: Services
    hosts: Hosts


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` hears the address. Raises CannotServe, `limner.files.FileProblem`."""
    book = LogBook(LogLine)
    logs.configure(settings.verbose, form=settings.log_format)
    logging.getLogger().addHandler(book)
    calm_collector()
    asyncio.run(_serve_until_told(settings, announce, book))


async def _serve_until_told(settings: Settings, announce: Callable[[str], None], book: LogBook[LogLine]) -> None:
    stop = asyncio.Event()
    _when_told(stop.set)
    async with running(settings, book) as server:
        _when_told(stop.set)  # again, as Ray takes the signals to itself
        announce(server.urls[0])
        log.debug("the server answers at %s", ", ".join(server.urls))
        await stop.wait()


def _when_told(end: Callable[[], None]) -> None:
    """Call it when this process is told to end."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(sign, end)


@asynccontextmanager
async def running(settings: Settings, book: LogBook[LogLine]) -> AsyncIterator[Running]:
    """A server with its host, until the context ends."""
    folders, spans = prepared_folders(settings), collector(settings.otlp_endpoint)
    sockets = bound(settings.listen, settings.port)
    async with AsyncExitStack() as closing:
        for socket in sockets:
            closing.callback(socket.close)
        metrics_sockets = metrics_door(settings, sockets[0], closing)
        accounts = door(settings, sockets)
        if accounts is not None:
            closing.callback(accounts.close)
        kept = await stores(settings, closing)
        queue, history, bus = kept.queue, kept.history, kept.bus
        _tidy(folders, job_folder(settings, folders), queue)
        hosts = _hosts(settings, folders)
        node_set = NodeSet(folders, hosts.homes, settings.comfyui)
        news = HostNews(hosts, node_set, bus)
        hosts.make({SERVER_URL: urls(sockets)[0]}, news.callbacks, node_set.home)
        closing.push_async_callback(hosts.close)
        memory = memory_cache(settings)
        cluster = await open_cluster(settings, hosts, node_set, queue, folders, news.said, closing)
        executor = hosts.executor if cluster is None else cluster.fleet
        engine = Engine(executor, cache(settings, folders, memory), hear=news.said, blame=news.blame)
        news.engine = engine
        await hosts.start()
        if not node_set.catalog:
            log.info("the nodes are read anew, as Limner or a pack is new or has changed")
            await _first_schemas(hosts, news)
        machine = HostMachine(hosts, engine, folders, lambda: node_set.catalog, cluster)
        packs = HostPacks(hosts.by_name, folders)
        node_set.when_ready(lambda name: machine.refresh())
        node_set.when_ready(packs.refresh)
        for name, host in hosts.by_name.items():
            if host.ready:
                packs.refresh(name)
        consumer = _consumer(kept, engine, machine, node_set, cluster)
        ready = Readiness(queue, {"output": folders.output, "temp": folders.temp, "user": folders.user})
        monitoring = Monitoring(
            bus=bus,
            queue=queue,
            consumer=consumer,
            hosts=hosts,
            news=news,
            machine=machine,
            folders=folders,
            memory=memory,
            ready=ready,
        )
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
            metrics=monitoring,
            complaints=ready,
            workers=no_workers if cluster is None else cluster.workers,
        )
        await closing.enter_async_context(reading(bus, monitoring.hear))
        await closing.enter_async_context(traced(bus, spans))
        watching = [watch_packs(folders, hosts, node_set, news)] if settings.reload else []
        workers = [] if cluster is None else [cluster.serve(engine)]
        for work in (*workers, consumer.serve(), keep_journal(bus), *watching):
            closing.push_async_callback(_cancelled, asyncio.create_task(work))
        runner = web.AppRunner(create_app(services), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        closing.push_async_callback(runner.cleanup)
        for socket in sockets:
            await web.SockSite(runner, socket).start()
        await closing.enter_async_context(metrics_port(monitoring, metrics_sockets))
        yield Running(urls(sockets), services, hosts)


def _consumer(
    kept: Stores, engine: Engine, machine: HostMachine, node_set: NodeSet, cluster: Cluster | None
) -> Consumer:
    """What takes the jobs: each in its turn, or, with a cluster, as workers are free for them."""

    async def request(job: Job) -> RunRequest:
        if cluster is not None:
            cluster.dispatcher.check(job.id)
        return await prepare(job, node_set.catalog, machine)

    async def free() -> None:
        await machine.free(models=True, cache=False)

    stores = (kept.queue, engine, request, kept.history, kept.bus)
    return Consumer(*stores, free=free) if cluster is None else Consumer(*stores, source=cluster.dispatcher)


def _tidy(folders: Folders, jobs: Path, queue: JobQueue) -> None:
    """Delete what no job that is queued has left: what was written down, and the temporary files."""
    unfinished = (*queue.places(State.WAITING), *queue.places(State.PAUSED))
    prune(jobs, {job_key(job) for job in unfinished})
    if not any(job.attempts for job in unfinished):
        shutil.rmtree(folders.temp, ignore_errors=True)
    folders.temp.mkdir(parents=True, exist_ok=True)
    written = (folders.output, folders.input, folders.user)
    threading.Thread(target=clear_leftovers, args=(written,), name="clear leftovers", daemon=True).start()


def _hosts(settings: Settings, folders: Folders) -> Hosts:
    try:
        return Hosts(settings, folders)
    except NoComfyUI as error:
        raise CannotServe(error.problem, error.remedy) from error


async def _first_schemas(hosts: Hosts, news: HostNews) -> None:
    """Wait for the nodes. A pack that kills the host meanwhile is found out and left out; anything else is final."""
    while True:
        blamed = news.blamed
        try:
            await hosts.shared.schemas()
            return
        except HostLost as error:
            if news.blamed == blamed:
                raise CannotServe(f"the nodes could not be loaded: {error}", "The log above says why") from error


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
