"""What happened in a run. Events are facts, numbered per run from 1; every reader (socket, SSE, history) sees the same.

`node` is always the node of the user's graph; `inner` the node of the running graph, which differs in expansions;
`type` is the type of the latter.
A step that took the result of an equal step of the same run has a `StepFinished` without a `StepStarted`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .values import Failure


@dataclass(frozen=True, slots=True)
class RunQueued:
    run: str
    sequence: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """`nodes` are the steps of the plan, in order, that are not cached already."""

    run: str
    sequence: int
    nodes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StepsCached:
    """These steps' results were taken from the cache; `ui` holds what output nodes among them show.

    `types` counts them by node type.
    """

    run: str
    sequence: int
    nodes: Sequence[str] = ()
    ui: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    types: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepStarted:
    run: str
    sequence: int
    node: str
    inner: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class StepProgress:
    run: str
    sequence: int
    node: str
    inner: str
    value: float
    maximum: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class StepPreview:
    run: str
    sequence: int
    node: str
    inner: str
    image: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """`ui` is JSON that the editor shows (lists by key), None for steps that show nothing."""

    run: str
    sequence: int
    node: str
    inner: str
    ui: Mapping[str, object] | None = None
    seconds: float = 0.0
    type: str = ""


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step failed, which ends the run, unless `failure.kind` is `values.BLOCKED`."""

    run: str
    sequence: int
    node: str
    inner: str
    type: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class RunFinished:
    """`status` is `done`, `failed` or `cancelled`; `outputs` maps nodes (inner ids) to the `ui` that they gave."""

    run: str
    sequence: int
    status: str
    outputs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    failure: Failure | None = None
    seconds: float = 0.0


Event: TypeAlias = (
    RunQueued
    | RunStarted
    | StepsCached
    | StepStarted
    | StepProgress
    | StepPreview
    | StepFinished
    | StepFailed
    | RunFinished
)
