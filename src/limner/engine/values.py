"""Opaque values: what the engine knows of the things that flow along links.

A value never enters the engine. It stays in the host that made it, and is named by the fingerprint of the step that
made it and the number of the output. Every output is held as a list of items there: one item for an ordinary output,
`length` items where the node returned a list (OUTPUT_IS_LIST) or was called once per item of a list input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from limner.graph import Graph, NodeId

Fingerprint: TypeAlias = str
"""Hexadecimal provenance hash of a step: equal fingerprints mean interchangeable values."""

DISK = "disk"
"""The place of values that hosts find on the disk."""


@dataclass(frozen=True, slots=True)
class Held:
    """An input whose value is held by a host: the output `output` of the step with this fingerprint.

    `spread`: items of it that are lists are opened out (see `Handle`).
    """

    fingerprint: Fingerprint
    output: int
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """An input whose items are those of several held values, one after the other."""

    parts: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Handle:
    """One output of a finished step, in a host.

    `place` names the host (and its incarnation: a restarted host is another place); `size` is in bytes; `length` the
    number of items; `blocked` the message of an ExecutionBlocker that stands in place of the value (``""`` for one
    without a message), None where there is a value. A handle with `parts` has no value of its own: its items are
    those of its parts, one after the other. `spread` stands in the result of an expansion where a list output is made
    of an output that is none: a list that is an item there is as many items here.
    """

    fingerprint: Fingerprint
    output: int
    place: str
    size: int = 0
    length: int = 1
    blocked: str | None = None
    parts: tuple[Handle, ...] = ()
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Values:
    """A step finished: its outputs, and what the editor shows of it (`ui`, JSON: lists by key), if anything.

    `blocked` holds the messages of the blockers that kept calls of this step from being made (blockers without a
    message are not told).
    """

    handles: tuple[Handle, ...]
    ui: Mapping[str, object] | None = None
    seconds: float = 0.0
    blocked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expansion:
    """A step returned a subgraph to run in its place.

    `results` says what each of its outputs is: a link into the subgraph, or a value that the host holds already
    (as it is the step's own output, under the step's fingerprint). Live objects among the subgraph's literals have
    been replaced by `Held`. Where the step was called once per item of a list, `graph` is all calls' subgraphs
    together, and an output is the sequence of what each call gave for it.
    """

    graph: Graph
    results: tuple[object, ...]
    """One entry an output: a graph.Link into `graph` (or into the running graph), a Handle, or a tuple of these."""
    ui: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """A lazy step needs these of its linked inputs before it can go on."""

    inputs: tuple[str, ...]


Outcome: TypeAlias = Values | Expansion | Demand


BLOCKED = "ExecutionBlocked"
"""The `kind` of a failure that tells of a blocker with a message: what depends on it is skipped, the run goes on."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step failed, as a person and a program can read it.

    `kind` is the exception's type as ComfyUI names it (`ValueError`, `torch.OutOfMemoryError`, ...); `remedy` what the
    user can do, where that is known; `traceback` lines are for the log and for ComfyUI's `execution_error` message;
    `inputs` short descriptions of the step's inputs; `interrupted` marks a cancelled step (not an error).
    """

    kind: str
    message: str
    remedy: str = ""
    traceback: tuple[str, ...] = ()
    inputs: Mapping[str, object] = field(default_factory=dict)
    interrupted: bool = False
    node: NodeId = ""
