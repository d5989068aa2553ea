"""The window on the runtime that a node gets for one call, and which call is going on in this thread or task."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from limner.engine.ports import Previewed, Progressed, Report, Said
from limner.sdk import BlankTape, Cancelled, Tape

from .forks import Original
from .notes import KeptTape, Notes
from .services import Services

Service = TypeVar("Service")

PATIENCE = 30.0
"""Seconds that an interrupted node which looks up by itself is given to do so."""


class RunState:
    """What a host knows of a run: what its hidden inputs draw on, and whether it was interrupted."""

    __slots__ = ("cancelled_at", "hidden", "id", "key", "memory", "original")

    def __init__(self, run: str) -> None:
        self.id = run
        self.original = Original()
        self.hidden: Mapping[str, object] = {}
        self.key = ""
        """Of its job, under which it is written down."""
        self.cancelled_at: float | None = None
        """When it was interrupted, by the monotonic clock."""
        self.memory: dict[str, Any] = {}
        """What adapters keep for the run; it goes with it."""

    @property
    def cancelled(self) -> bool:
        return self.cancelled_at is not None

    def cancel(self) -> None:
        if self.cancelled_at is None:
            self.cancelled_at = monotonic()

    def check(self) -> None:
        if self.cancelled_at is not None:
            raise Cancelled("the run was interrupted")


class CallContext:
    """A `limner.sdk.NodeContext`: reports go to the segment's reporter, from any thread."""

    __slots__ = (
        "_add",
        "_counts",
        "_folder",
        "_notes",
        "_run",
        "_services",
        "_step",
        "_tapes",
        "cooperative",
        "home",
        "node",
        "type",
    )

    def __init__(
        self,
        node: str,
        type: str,
        run: RunState,
        services: Services,
        add: Callable[[Report], None],
        *,
        cooperative: bool = False,
        notes: Notes | None = None,
        step: str = "",
        home: str = "",
    ) -> None:
        """`notes` is where the call of the step with this fingerprint writes things down, `home` whose files it has."""
        self.home = home
        self.node, self.type, self.cooperative = node, type, cooperative
        self._notes, self._step = notes if run.key else None, step
        self._tapes: list[KeptTape] = []
        self._run, self._services, self._add = run, services, add
        self._folder: Path | None = None
        self._counts: dict[str, int] = {}

    @property
    def run(self) -> str:
        return self._run.id

    @property
    def hidden(self) -> Mapping[str, object]:
        return self._run.hidden

    @property
    def cancelled(self) -> bool:
        return self._run.cancelled

    def jolt(self) -> None:
        """Raises Cancelled in a node that does not look up by itself; in one that does, when it has not for long."""
        since = self._run.cancelled_at
        if since is not None and (not self.cooperative or monotonic() - since > PATIENCE):
            raise Cancelled("the run was interrupted")

    @property
    def memory(self) -> dict[str, Any]:
        """What adapters keep for the run."""
        return self._run.memory

    @property
    def services(self) -> Services:
        return self._services

    def progress(self, value: float, maximum: float, text: str = "") -> None:
        self._add(Progressed(self.node, float(value), float(maximum), text))
        self._run.check()

    def preview(self, image: object, media_type: str = "image/jpeg") -> None:
        if not isinstance(image, bytes | bytearray | memoryview):
            from .pictures import encoded  # Pillow is imported where a picture is shown

            image, media_type = encoded(image)
        self._add(Previewed(self.node, bytes(image), media_type))

    def say(self, event: str, data: object, client: str | None = None) -> None:
        """A message to the clients."""
        self._add(Said(event, data, client))

    def check_cancelled(self) -> None:
        self._run.check()

    def interrupt(self) -> None:
        """End the run as if the user had interrupted it: at the next check, anywhere in it."""
        self._run.cancel()

    def count(self, what: str) -> int:
        """0, 1, 2, ... for each kind of thing that is counted in this call."""
        number = self._counts.get(what, 0)
        self._counts[what] = number + 1
        return number

    def once(self, what: str, decide: Callable[[], object]) -> tuple[object, bool]:
        """See `limner.sdk.NodeContext`."""
        name = f"{self._step} {what} {self.count(what)}"
        return (decide(), False) if self._notes is None else self._notes.once(self._run.key, name, decide)

    def tape(self) -> Tape:
        """See `limner.sdk.NodeContext`."""
        if self._notes is None:
            return BlankTape()
        tape = self._notes.tape(self._run.key, f"{self._step} {self.count('tape')}")
        self._tapes.append(tape)
        return tape

    def temporary_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="limner-"))
        return self._folder

    def service(self, kind: type[Service]) -> Service:
        return self._services.get(kind, self.home)

    def close(self) -> None:
        """The call is over."""
        self._run.original.end_copies()
        for tape in self._tapes:
            tape.close()
        self._tapes.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


CURRENT: ContextVar[CallContext | None] = ContextVar("limner_call", default=None)
"""The call that this thread or asyncio task is in, for code that gets no context (ComfyUI's modules)."""

INDEX: ContextVar[int] = ContextVar("limner_call_index", default=0)
"""Which of its step's calls that is, from 0: a step with a list among its inputs has one for each item."""
