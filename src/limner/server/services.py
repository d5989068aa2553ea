"""What the server serves, and the few values that change how."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from limner.accounts import Accounts
from limner.comfy.object_info import ObjectInfo
from limner.engine import Reason
from limner.files import Folders
from limner.graph import Graph
from limner.graph.validate import Verdict
from limner.queue import JobQueue
from limner.runs import History, Message
from limner.telemetry.metrics import Exposition
from limner.workflows import Library

from .packs import PackSurface


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`trusted_hosts` are names besides the machine's own that a browser may call the server by."""

    version: str = "0"
    listen: tuple[str, ...] = ("127.0.0.1",)
    trusted_hosts: tuple[str, ...] = ()
    allow_external_requests: bool = False
    max_upload_bytes: int = 100 * 2**20
    front_end_root: Path | None = None
    """Another build of the editor; None for the installed one."""
    webhook_hosts: tuple[str, ...] = ()
    """Hosts besides this machine that webhooks may be sent to; `*` for all."""
    webhooks_to_this_machine: bool = True
    multi_user: bool = False
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose X-Forwarded headers are believed."""
    proxy_user_header: str = ""
    """The header in which they name the user; empty where they do not."""
    session_seconds: float = 30 * 86400.0
    requests_per_minute: int = 0
    """Of each user who is logged in; 0 is no limit."""
    queued_per_user: int = 0
    """Waiting jobs of each user who is logged in; 0 is no limit."""
    arguments: tuple[str, ...] = ()
    """The command line, for `/system_stats`."""


class Machine(Protocol):
    """The hosts, as far as the server's clients may know and steer them."""

    @property
    def ready(self) -> bool:
        """Whether the nodes are loaded, so that runs start at once."""
        ...

    def devices(self) -> Sequence[Mapping[str, Any]]:
        """Each with ComfyUI's keys: name, type, index, vram_total, vram_free, torch_vram_total, torch_vram_free."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Of the hosts' libraries, such as `pytorch_version`; empty until a host has said."""
        ...

    async def admit(self, run: str, graph: Graph, targets: Sequence[str] | None, home: str = "") -> Verdict:
        """Whether the graph may run, on the files of this home. Waits for a host only where a node validates itself."""
        ...

    def explain(self, run: str) -> Sequence[Reason] | None:
        """Why each step of a run did or did not run; None for one that is not remembered."""
        ...

    async def free(self, *, models: bool, cache: bool) -> None:
        """Unload the models that no run uses, and forget all cached results."""
        ...

    async def load_model(self, kind: str, name: str) -> None:
        """Load a file of a model folder ahead of its use. Raises `FileProblem`, `InvalidGraph` or `MachineError`."""
        ...


class Runs(Protocol):
    """The jobs in progress."""

    @property
    def running(self) -> tuple[str, ...]: ...

    async def interrupt(self, run: str | None = None) -> bool:
        """Stop this run, or every run in progress; whether there was one."""
        ...

    async def pause(self, job: str) -> bool:
        """Keep a running or waiting job until `resume`; whether there was one."""
        ...

    async def resume(self, job: str) -> bool:
        """Let a paused job go on, when it is its turn; whether it was paused."""
        ...

    async def cancel(self, jobs: Sequence[str]) -> Sequence[str]:
        """End these jobs, whether they wait, are paused or run; the ids of those that there were."""
        ...

    def gone(self, jobs: Sequence[str]) -> None:
        """Tell those that follow one of these jobs that it is taken out of the queue."""
        ...


class Reader(Protocol):
    """A subscription to what happens, in batches; a batch may be empty."""

    @property
    def cursor(self) -> int: ...

    @property
    def missed(self) -> int: ...

    def __aiter__(self) -> AsyncIterator[tuple[Message, ...]]: ...

    def __anext__(self) -> Awaitable[tuple[Message, ...]]: ...

    def close(self) -> None: ...


class Feed(Protocol):
    """What happens."""

    @property
    def last(self) -> int:
        """The number of the latest message."""
        ...

    def begin_of(self, run: str) -> int:
        """The number after which a run begins, as far as it is kept."""
        ...

    def subscribe(self, since: int | None = None, *, client: str | None = None, run: str | None = None) -> Reader:
        """Read from now on (None), or what is kept with a number above `since` and then on.

        With a `client`, what is for that one and what is for everyone; with a `run`, what happens in it; else all.
        """
        ...


class MachineError(Exception):
    """A host refused: the message says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class LogLine:
    time: str
    """ISO 8601."""
    text: str


class LogBook(Protocol):
    """The latest log lines, oldest first."""

    def lines(self) -> Sequence[LogLine]: ...

    def watch(self, callback: Callable[[LogLine], None]) -> Callable[[], None]:
        """Called with each new line; returns a function that stops it."""
        ...


class NoLogs:
    """A log book with nothing in it."""

    def lines(self) -> Sequence[LogLine]:
        return ()

    def watch(self, callback: Callable[[LogLine], None]) -> Callable[[], None]:
        return lambda: None


class Metrics(Protocol):
    """Numbers for Prometheus."""

    async def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """All of them in the format that the Accept header wants, and its media type."""
        ...


async def nothing_against() -> Sequence[str]:
    """Nothing keeps the server from taking jobs, but for nodes that still load."""
    return ()


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker of the cluster. Its state: connecting, ready, draining, lost, gone, refused, or reserve (for what no
    other can run).

    `memory` is that of its device in bytes, `jobs` how many run there, `models` the files that it has loaded, about;
    `speed` how long it takes by the side of others: 2 is twice as long.
    """

    name: str
    state: str
    reason: str = ""
    machine: str = ""
    device: str = ""
    memory: int = 0
    jobs: int = 0
    models: Sequence[str] = ()
    speed: float = 1.0


def no_workers() -> Sequence[WorkerState]:
    """There is no cluster."""
    return ()


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the routes use.

    `object_info` gives the current catalog's (it changes when a pack is reloaded). `packs` is what packs serve: routes,
    and files of editor extensions under `/extensions/<name>/`.
    """

    folders: Folders
    object_info: Callable[[], ObjectInfo]
    queue: JobQueue
    consumer: Runs
    bus: Feed
    history: History
    machine: Machine
    settings: ServerSettings = field(default_factory=ServerSettings)
    logs: LogBook = field(default_factory=NoLogs)
    packs: PackSurface = field(default_factory=PackSurface)
    accounts: Accounts | None = None
    """Who may log in; None on a server that asks for no login."""
    metrics: Metrics = field(default_factory=Exposition)
    complaints: Callable[[], Awaitable[Sequence[str]]] = nothing_against
    """What keeps the server from taking jobs, beside nodes that still load."""
    library: Library | None = None
    """Kept workflows, batches, assets; None for those of the user folder, opened and closed with the application."""
    workers: Callable[[], Sequence[WorkerState]] = no_workers


SERVICES = web.AppKey("services", Services)
SCOPED = web.RequestKey("services", Services)
"""The key of the services of one request, confined to its user."""


def services(request: web.Request) -> Services:
    """What a route serves, as far as it is the user's who asks."""
    found: Services = request.get(SCOPED, request.app[SERVICES])
    return found
