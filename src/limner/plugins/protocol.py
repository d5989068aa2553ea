"""The messages between the server and a host, as they cross the wire: msgpack arrays, tagged by their first item.

Rules, stated once:

- A host says `Hello` at once, and `Ready` or `LoadFailed` when its library has been imported. It says `Ready` again
  whenever its library has become another.
- A request has an `id`; its answer has the same one. Any request may be answered by `Refused`.
- A `Run` is answered by any number of `Reports`, then by `Done`. What a report says of a step's values is their sizes;
  the server knows their fingerprints already.
- Either side may close the connection; a host whose server is gone ends itself.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from limner.engine.ports import Answer
from limner.graph import Lane, NodeSchema

VERSION = 2

Place: TypeAlias = tuple[str, int]
"""A fingerprint or a node, and an output; of a held value that is to be opened out (`Held.spread`), -1 - the output."""


class Wire(msgspec.Struct, array_like=True, tag=True, omit_defaults=True):
    """One message."""


class Inputs(msgspec.Struct, array_like=True, omit_defaults=True):
    """A node's inputs by what they are."""

    literals: dict[str, Any] = {}
    held: dict[str, Place] = {}
    links: dict[str, Place] = {}
    gathered: dict[str, list[Place]] = {}


class WireTask(msgspec.Struct, array_like=True, omit_defaults=True):
    node: str
    display_node: str
    type: str
    fingerprint: str
    inputs: Inputs
    lane: Lane
    missing: tuple[str, ...] = ()


class WireNode(msgspec.Struct, array_like=True, omit_defaults=True):
    """A node of an expansion."""

    id: str
    type: str
    inputs: Inputs
    title: str = ""
    display: str = ""


class WireInquiry(msgspec.Struct, array_like=True, omit_defaults=True):
    node: str
    type: str
    inputs: dict[str, Any]
    input_types: dict[str, str]
    validate: bool = False
    token: bool = False
    home: str = ""


class Parcel(msgspec.Struct, array_like=True, omit_defaults=True):
    """The items of one output on their way to another host: `size` bytes, in shared memory where it names a slab."""

    data: bytes = b""
    slab: str = ""
    size: int = 0


# Server -> host.


class Inquire(Wire, tag=1):
    id: int
    run: str
    inquiries: list[WireInquiry]


class Run(Wire, tag=2):
    id: int
    run: str
    tasks: list[WireTask]
    hidden: dict[str, Any] | None = None


class Interrupt(Wire, tag=3):
    run: str


class Release(Wire, tag=4):
    fingerprints: list[str]


class Finish(Wire, tag=5):
    """`keep`: the run goes on another time."""

    run: str
    keep: bool = False


class Ask(Wire, tag=6):
    """A question that is not about steps (`free`, `stats`, ...): plain data."""

    id: int
    topic: str
    data: Any = None


class Fetch(Wire, tag=7):
    """The items of one held output, as plain data and tensors, for another host."""

    id: int
    fingerprint: str
    output: int
    shared: bool = False
    """Whether the other host has the same shared memory."""


class Store(Wire, tag=8):
    """Hold these items, as `Fetched` gave them, as outputs of this step."""

    id: int
    fingerprint: str
    outputs: dict[int, Parcel]


class Quit(Wire, tag=9):
    pass


class Arrived(Wire, tag=10):
    """The slabs of parcels that this host packed have been mapped, or never will be."""

    slabs: list[str]


ToHost: TypeAlias = Inquire | Run | Interrupt | Release | Finish | Ask | Fetch | Store | Quit | Arrived


# Host -> server.


class WireHandle(msgspec.Struct, array_like=True, omit_defaults=True):
    size: int = 0
    length: int = 1
    blocked: str | None = None


class WirePart(msgspec.Struct, array_like=True, omit_defaults=True):
    """Part of an expansion's output: output `output` of the subgraph's node `node`, or, without one, a held value."""

    output: int
    node: str | None = None
    size: int = 0
    length: int = 1
    blocked: str | None = None


class WireStarted(Wire, tag=21):
    node: str


class WireProgressed(Wire, tag=22):
    node: str
    value: float
    maximum: float
    text: str = ""


class WirePreviewed(Wire, tag=23):
    node: str
    image: bytes
    media_type: str


class WireValues(Wire, tag=24):
    node: str
    handles: list[WireHandle]
    seconds: float
    ui: dict[str, Any] | None = None
    blocked: tuple[str, ...] = ()


class WireExpansion(Wire, tag=25):
    """`results` has the parts of each output, one a call."""

    node: str
    nodes: list[WireNode]
    results: list[list[WirePart]]
    ui: dict[str, Any] | None = None


class WireDemand(Wire, tag=26):
    node: str
    inputs: tuple[str, ...]


class WireFailure(Wire, tag=27):
    node: str
    kind: str
    message: str
    remedy: str = ""
    traceback: tuple[str, ...] = ()
    inputs: dict[str, Any] = {}
    interrupted: bool = False


class Message(Wire, tag=28):
    """From a pack to the clients; also outside of runs."""

    event: str
    data: Any
    client: str | None = None


WireReport: TypeAlias = (
    WireStarted | WireProgressed | WirePreviewed | WireValues | WireExpansion | WireDemand | WireFailure | Message
)


class Hello(Wire, tag=41):
    version: int
    pid: int


class Ready(Wire, tag=42):
    schemas: list[NodeSchema]
    problems: list[tuple[str, str]] = []
    """(source, message) of what could not be loaded."""


class LoadFailed(Wire, tag=43):
    message: str
    traceback: str


class Answers(Wire, tag=44):
    id: int
    answers: list[Answer]


class Reports(Wire, tag=45):
    id: int
    reports: list[WireReport]


class Done(Wire, tag=46):
    id: int


class Told(Wire, tag=47):
    id: int
    data: Any = None


class Refused(Wire, tag=48):
    """`kind` is `lost` (a value is not held), `unknown` (no such topic) or the type of an exception."""

    id: int
    kind: str
    message: str


class Loading(Wire, tag=50):
    """The host begins to import this part of its library; if it dies now, that is why."""

    source: str


class Fetched(Wire, tag=49):
    id: int
    parcel: Parcel


FromHost: TypeAlias = (
    Hello | Ready | LoadFailed | Answers | Reports | Done | Told | Refused | Message | Fetched | Loading
)
