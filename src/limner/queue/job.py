"""What is queued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class State(StrEnum):
    """Where a job of the queue stands."""

    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to add. `prompt` is the workflow in API form, `targets` the output nodes to run, both as JSON.

    `extra` is whatever else belongs to it (`extra_pnginfo`, tokens, ...); `client` who asked for it, `owner` whose it
    is (empty for nobody's), `home` whose files it reads and writes (empty for all). A job of a higher `priority` runs
    first, and takes the device from one of a lower. `attachment` stays in memory beside the job as long as the queue
    is short, and is never written. `marked`: it is among `JobQueue.marked()` as long as it is in the queue.
    """

    id: str
    prompt: Mapping[str, object]
    targets: tuple[str, ...]
    extra: Mapping[str, object] = field(default_factory=dict)
    client: str | None = None
    attachment: object = None
    priority: int = 0
    owner: str = ""
    marked: bool = False
    home: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands, without what it is to do: this is what a queue of any length keeps in memory.

    Of one priority, lower numbers run first, and of equal numbers the earlier `arrival`. `attempts` counts how often
    the job was taken; `lost` says that its server died while it ran, and it has waited since. `added` is in seconds
    since 1970.
    """

    id: str
    number: float
    arrival: int
    added: float
    client: str | None = None
    priority: int = 0
    owner: str = ""
    attempts: int = 0
    lost: bool = False
    marked: bool = False

    @property
    def rank(self) -> tuple[int, float, int, str]:
        """What orders the jobs that wait: the least runs first."""
        return -self.priority, self.number, self.arrival, self.id

    def taken(self) -> Place:
        """This job as it begins another attempt."""
        return replace(self, attempts=self.attempts + 1, lost=False)


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the queue: its place, and what it is to do. `attachment` may be None, and is after a restart."""

    place: Place
    prompt: Mapping[str, object]
    targets: tuple[str, ...]
    extra: Mapping[str, object]
    attachment: object = None
    home: str = ""

    @property
    def id(self) -> str:
        return self.place.id

    @property
    def number(self) -> float:
        return self.place.number

    @property
    def priority(self) -> int:
        return self.place.priority

    @property
    def client(self) -> str | None:
        return self.place.client

    @property
    def owner(self) -> str:
        return self.place.owner

    @property
    def added(self) -> float:
        return self.place.added

    @property
    def attempts(self) -> int:
        return self.place.attempts

    @property
    def lost(self) -> bool:
        return self.place.lost
