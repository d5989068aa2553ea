"""What the bus carries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to publish: `body` is an engine `Event`, `Said`, `QueueChanged` or what else clients are told.

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
class Message:
    """A notice in its place; `time` is in seconds since 1970."""

    sequence: int
    body: object
    run: str | None
    client: str | None
    time: float
