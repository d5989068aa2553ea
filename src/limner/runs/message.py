"""What the bus carries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to publish: `body` is an engine `Event`, `Said`, `QueueChanged`, `JobTaken` or what else is told.

    `run` is the run that it belongs to, `client` the one client that it is for; None: everyone.
    """

    body: object
    run: str | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """How many jobs wait or run."""

    remaining: int


@dataclass(frozen=True, slots=True)
class JobTaken:
    """A job leaves the queue to run. `added` is when it was queued (Unix time), `attempt` counts from 1."""

    added: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Message:
    """A notice in its place; `time` is in seconds since 1970."""

    sequence: int
    body: object
    run: str | None
    client: str | None
    time: float
