"""Workers as the matcher sees them, and what it decides."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeAlias

from .facts import Capabilities, Model, Needs

WorkerName: TypeAlias = str
Run: TypeAlias = str
NOBODY: frozenset[WorkerName] = frozenset()


@dataclass(slots=True)
class WorkerState:
    """`slots` jobs at a time. `speed` is how its times compare with those of others: 2 is half as fast."""

    name: WorkerName
    capabilities: Capabilities
    slots: int = 1
    busy: set[Run] = field(default_factory=set)
    warm: OrderedDict[Model, None] = field(default_factory=OrderedDict)
    draining: bool = False
    reserve: bool = False
    speed: float = 1.0

    @property
    def free(self) -> bool:
        return not self.draining and len(self.busy) < self.slots

    @property
    def idle(self) -> bool:
        return self.free and not self.reserve


@dataclass(frozen=True, slots=True)
class Match:
    """The run begins at this worker; `cold`: that has to load its models first."""

    run: Run
    worker: WorkerName
    needs: Needs
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """No worker can run the job: `reason` says what each lacks."""

    run: Run
    reason: str


Decision: TypeAlias = Match | Refusal


@dataclass(slots=True)
class Claim:
    """A run that has lost its worker, or wants one more."""

    run: Run
    needs: Needs
    patient: bool = True
