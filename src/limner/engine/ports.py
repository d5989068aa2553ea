"""What the engine needs of the world: an executor that runs steps, a cache, and somewhere to send events.

The engine hands an executor *segments*: runs of consecutive steps whose inputs are held by that executor's host or made
earlier in the segment, so that a chain of small nodes crosses the process boundary once. The executor answers with
batches of reports. Rules, stated once:

- A step is reported `Ended` at most once a segment, in any order that respects the steps' needs. `Started` may be left
  out for a step that ends in the same batch.
- A task whose inputs did not come to be, as an earlier task of its segment failed, expanded or made a demand, is left
  out: no report of it. The engine sends it again when it can run. After a failure the rest may be left out as well.
- A host keeps each value until `release` names the step's fingerprint.
- Lists, and blockers in place of values, are the host's: it makes the calls (`broadcast`) and skips those with a
  blocker among their inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from limner.graph import InputValue, Lane, NodeId, NodeSchema

from .events import Event
from .values import Failure, Fingerprint, Handle, Outcome, Values

JOB_KEY = "limner_job"
"""Among the hidden values: the job's name on the disk; nothing is written where there is none."""
HOME_KEY = "limner_home"
"""Among the hidden values: whose files the run reads and writes; empty or missing for a host's own."""


@dataclass(frozen=True, slots=True)
class Task:
    """One step as a host runs it.

    `node` is the id in the (expanded) graph, `display_node` the id in the user's graph that progress is shown on.
    `inputs` are literals, `Held` (or `Gathered`) values, and `graph.Link`s where the schema asks for a raw link.
    `missing` are linked lazy inputs whose values have not been made: the host asks the node (check_lazy_status) which
    of them it wants before it runs it; those that it does not want are None in its call.
    """

    node: NodeId
    display_node: NodeId
    type: str
    fingerprint: Fingerprint
    inputs: Mapping[str, object]
    missing: tuple[str, ...] = ()
    lane: Lane = Lane.DEVICE


@dataclass(frozen=True, slots=True)
class Segment:
    """Tasks of one run for one host, in an order that respects their needs.

    `hidden` is what hidden inputs draw on: `prompt` (the API-form workflow), `extra_pnginfo`, `auth_token_comfy_org`,
    `api_key_comfy_org`, `client_id`, ...; and `JOB_KEY`, which names what the host writes down of it, so that another
    attempt of the job finds it. It is sent once a run (`hidden` is None when the host has it already). `group` is that
    of its steps, as the executor named it.
    """

    run: str
    tasks: tuple[Task, ...]
    hidden: Mapping[str, object] | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    node: NodeId


@dataclass(frozen=True, slots=True)
class Progressed:
    """`value` of `maximum` done (any unit; samplers count steps); `text` is a line of text for the node, if any."""

    node: NodeId
    value: float
    maximum: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Previewed:
    """An encoded picture of work in progress."""

    node: NodeId
    image: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Ended:
    node: NodeId
    result: Outcome | Failure


@dataclass(frozen=True, slots=True)
class Said:
    """A message from a pack to the clients (ComfyUI's send_sync): `client` None for everyone."""

    event: str
    data: object
    client: str | None = None


Report: TypeAlias = Started | Progressed | Previewed | Ended | Said
Reporter: TypeAlias = Callable[[Sequence[Report]], None]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question about a node before a run: validate it (VALIDATE_INPUTS), and/or give its change token (IS_CHANGED).

    `inputs` are its literals; linked inputs are absent, and `input_types` names them with their socket types (the node
    gets None for each, as its value is not known yet). `home`: whose files it looks at, as `HOME_KEY` of a run.
    """

    node: NodeId
    type: str
    inputs: Mapping[str, InputValue]
    input_types: Mapping[str, str] = field(default_factory=dict)
    validate: bool = False
    token: bool = False
    home: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`complaint` None: valid (or not asked); ``""`` is a refusal without a reason.

    `token`: JSON-able; None where not asked; NaN means always changed.
    """

    node: NodeId
    complaint: str | None = None
    token: object = None


class HostLost(Exception):
    """The host died while it held steps. `place` is gone, with every value in it; the steps may be retried.

    `blameless`: it went for reasons that have nothing to do with what it ran (its machine was cut off, say).
    """

    def __init__(self, place: str, reason: str, *, blameless: bool = False) -> None:
        self.place = place
        self.reason = reason
        self.blameless = blameless
        super().__init__(reason)


class HostUnavailable(Exception):
    """There is no host for these steps, and there will be none; `remedy` says what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(reason)


class ValuesLost(HostLost):
    """Values that steps need are gone with another host, while theirs lives and has not begun them.

    The place `values.DISK` stands for something on the disk that cannot be read.
    """


class Executor(Protocol):
    """Runs steps somewhere."""

    async def schemas(self) -> Sequence[NodeSchema]:
        """Every node type it runs. Waits until its host has loaded."""
        ...

    async def inquire(self, run: str, inquiries: Sequence[Inquiry]) -> Sequence[Answer]:
        """Answers in the order of the inquiries."""
        ...

    async def run(self, segment: Segment, report: Reporter) -> None:
        """Run the tasks; returns after the last report of the segment. Raises `HostLost`, `ValuesLost`,
        `HostUnavailable`.

        `report` is called in the engine's event loop.
        """
        ...

    async def interrupt(self, run: str) -> None:
        """Ask the run's steps to stop: each ends with an interrupted `Failure` at its next check."""
        ...

    async def release(self, fingerprints: Sequence[Fingerprint]) -> None:
        """These values will not be asked for again."""
        ...

    async def finish(self, run: str, *, keep: bool = False) -> None:
        """The run is over: what was kept for it alone may go, unless it goes on another time (`keep`)."""
        ...


class Cache(Protocol):
    """Remembers what steps gave, across runs. Knows fingerprints and handles, never values."""

    def get(self, fingerprint: Fingerprint) -> Values | None: ...

    def put(self, fingerprint: Fingerprint, values: Values) -> Sequence[Fingerprint]:
        """Remember; returns what is evicted for it, for the executor to release."""
        ...

    def hold(self, run: str, fingerprints: Sequence[Fingerprint]) -> None:
        """Nothing that the run holds is evicted until `let_go`."""
        ...

    def let_go(self, run: str) -> Sequence[Fingerprint]:
        """The run is over; returns what is evicted now, and what nobody remembers, for the executor to release."""
        ...

    def forget(self, place: str) -> None:
        """A host is gone, with all its values."""
        ...

    def clear(self) -> Sequence[Fingerprint]:
        """Forget all that no run holds; returns it, for the executor to release."""
        ...


EventSink: TypeAlias = Callable[[Sequence[Event]], None]
"""Takes events in order, in batches; must not block."""

__all__ = [
    "Answer",
    "Cache",
    "Ended",
    "EventSink",
    "Executor",
    "Handle",
    "HostLost",
    "HostUnavailable",
    "Inquiry",
    "Previewed",
    "Progressed",
    "Report",
    "Reporter",
    "Said",
    "Segment",
    "Started",
    "Task",
    "ValuesLost",
]
