"""Performs what the scheduler decides, and tells what happens.

One `_Session` a run: it hands segments to the executor, turns its reports into facts for the scheduler and into events
for the sink (one batch of events for one batch of reports), keeps the cache, and cleans up after the run, however it
ends. Everything happens in one event loop; nothing here blocks.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from limner.graph import Catalog, Graph, NodeId, NodeSchema

from .ledger import Ledger
from .plan import unsalted
from .ports import JOB_KEY, Cache, EventSink, Executor, Said
from .reasons import Reason, explain
from .session import Session
from .values import Failure, Fingerprint, Values


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to run: a validated graph with normalised literals, and the targets that are wanted of it.

    `hidden` is what hidden inputs draw on: `prompt`, `extra_pnginfo`, `client_id`, ... (see `ports.Segment`). A run
    with a `key` is written down as it goes, and goes on where another attempt with this key ended; the key is a
    file name. `salt` tells the steps of a type apart from those of other runs (whoever asked for them), so that none is
    given what was remembered of another.
    """

    run: str
    graph: Graph
    targets: Sequence[NodeId]
    catalog: Catalog
    hidden: Mapping[str, object] = field(default_factory=dict)
    key: str = ""
    salt: Callable[[NodeSchema], str] = unsalted


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended: `done`, `failed` or `cancelled`; `outputs` maps nodes (inner ids) to the `ui` that they gave.

    `ran` counts the steps that ran, `cached` those whose values were remembered.
    """

    run: str
    status: str
    outputs: Mapping[NodeId, Mapping[str, object]]
    failure: Failure | None
    seconds: float
    ran: int = 0
    cached: int = 0


def _one_group(node_type: str) -> str:
    del node_type
    return ""


class Engine:
    """Runs graphs on an executor, remembering results in a cache. Runs may overlap."""

    def __init__(
        self,
        executor: Executor,
        cache: Cache,
        *,
        group_of: Callable[[str], str] | None = None,
        hear: Callable[[Said], None] | None = None,
        blame: Callable[[NodeSchema, str], None] | None = None,
    ) -> None:
        """`group_of` names the host of a node type: steps of different hosts do not share a segment.

        Without it the executor's own `group_of` method is used where it has one; else there is one host. `hear` takes
        the messages that packs send to clients while their nodes run, `blame` the type of each node that no host
        survived, and how the last of them died.
        """
        self._executor = executor
        self._cache = cache
        own: Callable[[str], str] = getattr(executor, "group_of", _one_group)
        self._group_of = group_of or own
        self._hear: Callable[[Said], None] = hear or _nowhere
        self._blame: Callable[[NodeSchema, str], None] = blame or _nobody
        self._sessions: dict[str, Session] = {}
        self._expanding: set[str] = set()
        self._ledger = Ledger()

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the runs in progress."""
        return tuple(self._sessions)

    async def run(
        self,
        request: RunRequest,
        sink: EventSink | None = None,
        yielding: Callable[[], None] | None = None,
        ended: Callable[[], Awaitable[None]] | None = None,
    ) -> RunResult:
        """Run to the end and tell `sink` what happens. Raises ValueError if a run of this id is in progress.

        `yielding` is called once when all that is left is on its way and leaves the device free (the last pictures are
        being saved): another run may begin. `ended` is awaited after the last event, before what another attempt would
        go on from is given up: whoever notes the run's end does so there.
        What goes wrong in the run is in the result, never raised; cancelling the calling task cancels the run.
        """
        if request.run in self._sessions:
            raise ValueError(f"run {request.run} is in progress already")
        started = time.monotonic()
        session = Session(
            run=request.run,
            executor=self._executor,
            cache=self._cache,
            catalog=request.catalog,
            salt=request.salt,
            hidden={**request.hidden, JOB_KEY: request.key} if request.key else request.hidden,
            key=request.key or f"{request.run}-{secrets.token_hex(8)}",
            group_of=self._group_of,
            expanding=self._expanding,
            ledger=self._ledger,
            yielding=yielding,
            ended=ended or _at_once,
            sink=sink or _nowhere,
            hear=self._hear,
            blame=self._blame,
        )
        self._sessions[request.run] = session
        try:
            await session.run(request.graph, request.targets)
        finally:
            del self._sessions[request.run]
        return RunResult(
            request.run,
            session.status,
            session.outputs,
            session.failure,
            time.monotonic() - started,
            session.ran,
            session.cached,
        )

    async def interrupt(self, run: str, *, keep: bool = False) -> bool:
        """Ask the run to stop at its steps' next check. False if it is not in progress.

        `keep`: another run with its key will go on from there.
        """
        session = self._sessions.get(run)
        if session is None:
            return False
        await session.interrupt(keep=keep)
        return True

    def explain(self, run: str) -> Sequence[Reason] | None:
        """Why each step of one of the latest runs did or did not run; None where it is not remembered."""
        return explain(self._ledger, run)

    def forget(self, place: str) -> None:
        """A host is gone while nothing ran on it: its values are too."""
        self._cache.forget(place)

    async def adopt(self, fingerprint: Fingerprint, values: Values) -> None:
        """Remember a step's values that a host holds already, from before this engine was there."""
        evicted = self._cache.put(fingerprint, values)
        if evicted:
            await self._executor.release(evicted)

    async def clear_cache(self) -> int:
        """Drop every remembered result that no run holds; returns how many."""
        dropped: Sequence[Fingerprint] = self._cache.clear()
        if dropped:
            await self._executor.release(dropped)
        return len(dropped)


async def _at_once() -> None:
    """Nobody notes the end."""


def _nowhere(told: object) -> None:
    del told


def _nobody(schema: NodeSchema, reason: str) -> None:
    del schema, reason
