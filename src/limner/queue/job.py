"""What is queued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to add. `prompt` is the workflow in API form, `targets` the output nodes to run, both as JSON.

    `extra` is whatever else belongs to it (`extra_pnginfo`, tokens, ...); `client` who asked for it. A job of a higher
    `priority` runs first, and takes the device from one of a lower. `attachment` stays in memory beside the job and is
    never written.
    """

    id: str
    prompt: Mapping[str, object]
    targets: tuple[str, ...]
    extra: Mapping[str, object] = field(default_factory=dict)
    client: str | None = None
    attachment: object = None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the queue. Of one priority, lower numbers run first; `attempts` counts how often it was taken.

    `added` is in seconds since 1970. `attachment` is None after a restart.
    """

    id: str
    number: float
    prompt: Mapping[str, object]
    targets: tuple[str, ...]
    extra: Mapping[str, object]
    client: str | None
    added: float
    attempts: int = 0
    attachment: object = None
    priority: int = 0

    def taken(self) -> Job:
        """This job as it begins another attempt."""
        return replace(self, attempts=self.attempts + 1)
