"""Values that go from one host to another: plain data, tensors, arrays and blockers. Live objects stay where they are.

    parcel = pack(items, pool)        # in the host that holds them
    items = unpack(parcel, folder)    # in the one that needs them

Encoded as `limner.stores.codec` has it, so a value arrives bit for bit as it was. What is large lies in shared memory
(see `shared`), where it is written once and mapped, not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.stores.codec import Unwritable, decode, encode

from .protocol import Parcel
from .shared import SMALLEST, SharedPool, attach


class CannotCross(TypeError):
    """The value holds a live object, which no other process can use."""

    remedy = "Run the nodes that pass it to each other in the same host: with `isolate` for none of their packs"


def pack(items: Sequence[object], pool: SharedPool | None = None) -> Parcel:
    """The items of one output, ready to go. Raises CannotCross."""
    try:
        parts = encode([items], copy=False)
    except Unwritable as error:
        raise CannotCross(f"{error}, so it cannot leave the process that made it") from error
    size = sum(len(part) for part in parts)
    name = pool.write(parts, size) if pool is not None and size >= SMALLEST else None
    return Parcel(b"", name, size) if name is not None else Parcel(b"".join(parts), "", size)


def unpack(parcel: Parcel, folder: Path | None = None) -> list[object]:
    """The items again; tensors are views of the shared memory. Raises ValueError, OSError for what is no parcel."""
    if not parcel.slab:
        return decode(bytearray(parcel.data))[0]
    if folder is None:
        raise ValueError("this host has no shared memory")
    return decode(attach(folder, parcel.slab, parcel.size))[0]
