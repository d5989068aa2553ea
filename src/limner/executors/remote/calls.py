"""What a server asks of an agent. Every call raises AgentGone when nothing is heard of it in time.

Rules, stated once:

- A *session* is one server's connection to one life of the agent's hosts. Opening one ends the one before, with all
  that it had under way; calls of an ended session are answered with why it ended.
- Frames are the messages of the protocol of hosts. Values go beside them, by reference: what an agent gives out,
  another one can take in without its passing through the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

Reference: TypeAlias = Any
"""To bytes that lie somewhere."""


class AgentGone(Exception):
    """The agent is not there, or does not answer."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What an agent says of itself. `time` is in seconds since 1970, by its clock; `models` None: as the server's."""

    name: str
    version: str
    protocol: int
    time: float
    machine: str = ""
    device: str = ""
    accelerated: bool = False
    """Whether the device is another than the processor."""
    memory: int = 0
    """Of the device, in bytes; 0 where that is the machine's."""
    node_types: Mapping[str, str] = field(default_factory=dict)
    """With the version of the code of each."""
    models: Mapping[str, Sequence[str]] | None = None
    slots: int = 1


@dataclass(frozen=True, slots=True)
class Held:
    """A step's values that were there before the session: the report of them, as a frame (`protocol.Reports`)."""

    fingerprint: str
    report: bytes


@dataclass(frozen=True, slots=True)
class Given:
    """Frames for the server; `ended` says why there will be no more, and `blameless` whether by no fault of a step.

    `draining`: the agent finishes what it has, and then goes.
    """

    frames: Sequence[bytes] = ()
    ended: str = ""
    blameless: bool = False
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """A value that was fetched, or why not (`kind` and `message`, as in `protocol.Refused`)."""

    size: int = 0
    kind: str = ""
    message: str = ""
    data: Reference = field(default=None, compare=False)


class AgentCalls(Protocol):
    """One agent."""

    async def hello(self) -> Greeting: ...

    async def open(self, session: str) -> Sequence[Held] | None:
        """Begin a session; returns what the hosts hold, or None while they still load."""
        ...

    async def take(self, session: str, frames: Sequence[bytes]) -> None: ...

    async def give(self, session: str, seconds: float) -> Given:
        """Wait so long for frames."""
        ...

    async def fetch(self, session: str, fingerprint: str, output: int) -> Fetched: ...

    async def store(self, session: str, fingerprint: str, output: int, data: Reference) -> Fetched:
        """Answers with a kind where that could not be done."""
        ...

    async def put(self, data: bytes) -> Reference:
        """Lay bytes where agents find them."""
        ...

    async def get(self, data: Reference) -> bytes: ...
