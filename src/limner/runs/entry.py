"""What is remembered of a run that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SECRETS = frozenset({"auth_token_comfy_org", "api_key_comfy_org", "webhook_secret"})
"""Keys of a job's `extra` that are never remembered."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that happened, at `time` in milliseconds since 1970.

    `kind` is `started`, `cached`, `blocked` (a step that a blocker with a message kept from running), `failed`,
    `cancelled` or `done`. `data`: `{nodes}` for `cached`; `{node, inner, type, executed, failure: {kind, message,
    remedy, traceback, inputs}}` for `failed` and `blocked`; `{node, type, executed}` for `cancelled`; else empty.
    """

    kind: str
    time: int
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One run: the job as it was queued, what it showed, and how it went.

    `status` is `done`, `failed` or `cancelled`. `outputs` maps nodes (inner ids) to their `ui`, `shown_on` those of
    them that belong to expansions to the node of the user's graph. `started` and `finished` are in seconds since 1970.
    `owner` is whose job it was; empty for nobody's. `home` is whose files its outputs are among; empty for all.
    """

    id: str
    number: float
    prompt: Mapping[str, object]
    targets: tuple[str, ...]
    extra: Mapping[str, object]
    client: str | None
    status: str
    outputs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    shown_on: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    started: float = 0.0
    finished: float = 0.0
    owner: str = ""
    home: str = ""
