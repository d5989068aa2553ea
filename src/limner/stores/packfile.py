"""A pack: the file of some finished steps, written once, whole or not at all.

    magic · length and digest of the index · index (msgpack: a `Record` a step) · the steps' values, one after the other

The index and each value have a digest of their own, so that a file that was cut off or changed is told from a whole
one. What a reader needs to plan (`Record.values`) is in the index; the values themselves are read one by one.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import msgspec

from limner.engine.values import DISK, Fingerprint, Handle, Values

MAGIC = b"LIMNER\x00\x01"
DIGEST = 16
Parts: TypeAlias = list[bytes | memoryview]
"""Bytes in several pieces."""
FRONT = struct.Struct(f"<8sQ{DIGEST}s")
LARGEST_INDEX = 2**30
SUFFIX = ".pack"


class DamagedPack(ValueError):
    """The file is not as it was written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} is damaged: {problem}")


class Record(msgspec.Struct, array_like=True, frozen=True):
    """One step: what it gave, as far as the engine knows, and where its values are (from the end of the index)."""

    fingerprint: Fingerprint
    outputs: list[tuple[int, int, str | None]]
    """Size in bytes, number of items, message of a blocker."""
    seconds: float
    ui: dict[str, Any] | None
    blocked: tuple[str, ...]
    offset: int
    length: int
    digest: bytes

    @property
    def values(self) -> Values:
        """As the engine knows them: on the disk."""
        handles = tuple(
            Handle(self.fingerprint, number, DISK, size, length, blocked)
            for number, (size, length, blocked) in enumerate(self.outputs)
        )
        return Values(handles, self.ui, self.seconds, self.blocked)


def digest_of(parts: Iterable[bytes | bytearray | memoryview]) -> bytes:
    digest = blake2b(digest_size=DIGEST)
    for part in parts:
        digest.update(part)
    return digest.digest()


def write_pack(path: Path, steps: Sequence[tuple[Values, Fingerprint, Parts]]) -> int:
    """Write these steps (what each gave, its fingerprint, its encoded outputs); returns the file's size.

    Raises OSError, with nothing left behind.
    """
    records, offset = [], 0
    for values, fingerprint, parts in steps:
        outputs = [(handle.size, handle.length, handle.blocked) for handle in values.handles]
        length = sum(len(part) for part in parts)
        ui = None if values.ui is None else dict(values.ui)
        digest = digest_of(parts)
        records.append(Record(fingerprint, outputs, values.seconds, ui, values.blocked, offset, length, digest))
        offset += length
    index = msgspec.msgpack.encode(records)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(FRONT.pack(MAGIC, len(index), digest_of([index])))
            file.write(index)
            for _, _, parts in steps:
                file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return size


def read_index(path: Path) -> tuple[int, list[Record]]:
    """Where the values begin, and the steps. Raises DamagedPack, OSError."""
    with path.open("rb") as file:
        return index_of(file, os.fstat(file.fileno()).st_size, path)


def index_of(file: BinaryIO, size: int, path: Path) -> tuple[int, list[Record]]:
    """The same of a file that is open at its beginning, and has this `size`; `path` is what it is called in errors."""
    front = file.read(FRONT.size)
    if len(front) < FRONT.size:
        raise DamagedPack(path, "it is too short")
    magic, length, digest = FRONT.unpack(front)
    if magic != MAGIC or length > LARGEST_INDEX:
        raise DamagedPack(path, "it does not begin as a pack does")
    index = file.read(length)
    if len(index) < length or digest_of([index]) != digest:
        raise DamagedPack(path, "its index was changed")
    records = msgspec.msgpack.decode(index, type=list[Record])
    start = FRONT.size + length
    if size < start + sum(record.length for record in records):
        raise DamagedPack(path, "it was cut off")
    return start, records


def read_value(path: Path, start: int, record: Record) -> bytearray:
    """The encoded outputs of a step. Raises DamagedPack, OSError."""
    data = bytearray(record.length)
    with path.open("rb") as file:
        file.seek(start + record.offset)
        got = file.readinto(data)
    if got < record.length or digest_of([data]) != record.digest:
        raise DamagedPack(path, f"the value of step {record.fingerprint[:12]} was changed")
    return data
