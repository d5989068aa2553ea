"""The outputs of a step as bytes: plain data, tensors, arrays and blockers. Live objects cannot be written.

Encoded, they are a head, which is msgpack, and blobs, one for each tensor and array: its bytes as they lie in memory,
at a multiple of `ALIGNMENT`. What is read is equal to what was written bit for bit, with its dtype, its order in
memory, tuples as tuples and lists as lists. A tensor comes back to the kind of device that it was on, where there is
one.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from mmap import mmap
from typing import Any, TypeAlias

import msgspec

from limner.sdk import Blocked

from .packfile import Parts

TUPLE, PAIRS, BIG, BLOCKED, TENSOR, ARRAY = range(1, 7)
ALIGNMENT = 64
LENGTHS = struct.Struct("<II")
"""Of the head, and the number of blobs."""
BLOB = struct.Struct("<Q")

Data: TypeAlias = "bytearray | mmap"

_ATOMS = frozenset({bool, float, str, bytes, type(None)})
_ENCODER = msgspec.msgpack.Encoder()


class Unwritable(TypeError):
    """The value holds a live object, which only lives in memory."""


def encode(outputs: Sequence[Sequence[object]], *, copy: bool = True) -> Parts:
    """The items of each output as parts of one text of bytes. Raises Unwritable.

    Without `copy`, the parts are views of the tensors' memory where that is possible.
    """
    writer = _Writer(copy)
    try:
        head = _ENCODER.encode([[writer.plain(item) for item in items] for items in outputs])
    except (RecursionError, UnicodeEncodeError, OverflowError) as error:
        raise Unwritable(f"the value cannot be written: {error}") from error
    sizes = b"".join(BLOB.pack(len(blob)) for blob in writer.blobs)
    parts: Parts = [LENGTHS.pack(len(head), len(writer.blobs)) + sizes + head]
    end = len(parts[0])
    for blob in writer.blobs:
        parts += [bytes(-end % ALIGNMENT), blob]
        end += -end % ALIGNMENT + len(blob)
    return parts


def decode(data: Data) -> list[list[object]]:
    """The outputs again; tensors are views of `data`. Raises ValueError for what `encode` did not make."""
    try:
        length, count = LENGTHS.unpack_from(data)
        start = LENGTHS.size + count * BLOB.size
        end = start + length
        blobs: list[tuple[int, int]] = []
        for number in range(count):
            (size,) = BLOB.unpack_from(data, LENGTHS.size + number * BLOB.size)
            end += -end % ALIGNMENT
            blobs.append((end, size))
            end += size
        if end > len(data):
            raise ValueError("it ends too early")
        return _Reader(data, blobs).read(data[start : start + length])
    except (struct.error, msgspec.MsgspecError, IndexError, AttributeError) as error:
        raise ValueError(f"it is no encoded value: {error}") from error


class _Writer:
    def __init__(self, copy: bool) -> None:
        self._copy = copy
        self.blobs: list[bytes | memoryview] = []

    def plain(self, value: Any) -> object:
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else _extension(BIG, str(value))
        if kind is list:
            return [self.plain(item) for item in value]
        if kind is tuple:
            return _extension(TUPLE, [self.plain(item) for item in value])
        if kind is dict:
            if all(type(key) is str for key in value):
                return {key: self.plain(item) for key, item in value.items()}
            return _extension(PAIRS, [(self.plain(key), self.plain(item)) for key, item in value.items()])
        if kind is Blocked:
            return _extension(BLOCKED, value.message)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name == "torch.Tensor":
            return self._tensor(value)
        if kind.__module__ == "numpy" and hasattr(value, "dtype") and not value.dtype.hasobject:
            return self._array(value, scalar=kind.__name__ != "ndarray")
        raise Unwritable(f"a {name} only lives in memory")

    def _tensor(self, value: Any) -> object:
        torch = sys.modules["torch"]
        if value.layout is not torch.strided or value.is_quantized:
            raise Unwritable("a sparse or quantized tensor is not written")
        plain = value.detach().resolve_conj().resolve_neg()
        order = sorted(range(plain.ndim), key=lambda axis: -plain.stride(axis))
        if not plain.permute(order).is_contiguous():
            order = list(range(plain.ndim))
        raw = plain.permute(order).contiguous().cpu()
        shared = raw.data_ptr() == value.data_ptr()
        self._keep(memoryview(raw.flatten().view(torch.uint8).numpy()), shared)
        dtype = str(value.dtype).removeprefix("torch.")
        return _extension(TENSOR, [len(self.blobs) - 1, dtype, list(raw.shape), order, value.device.type])

    def _array(self, value: Any, *, scalar: bool) -> object:
        self.blobs.append(value.tobytes())
        return _extension(ARRAY, [len(self.blobs) - 1, value.dtype.str, list(value.shape), scalar])

    def _keep(self, raw: memoryview, shared: bool) -> None:
        self.blobs.append(bytes(raw) if shared and self._copy else raw)


def _extension(code: int, content: object) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, _ENCODER.encode(content))


class _Reader:
    def __init__(self, data: Data, blobs: Sequence[tuple[int, int]]) -> None:
        self._data, self._blobs = memoryview(data), blobs
        self._decoder = msgspec.msgpack.Decoder(ext_hook=self._extended)

    def read(self, head: bytes | bytearray) -> list[list[object]]:
        """Once: reader and decoder know each other, and must not keep the data for longer than its tensors do."""
        try:
            outputs: list[list[object]] = self._decoder.decode(head)
            return outputs
        finally:
            del self._decoder

    def _extended(self, code: int, data: memoryview) -> object:
        content: Any = self._decoder.decode(data)
        if code == TUPLE:
            return tuple(content)
        if code == PAIRS:
            return dict(content)
        if code == BIG:
            return int(content)
        if code == BLOCKED:
            return Blocked(content)
        if code == TENSOR:
            return self._tensor(*content)
        if code == ARRAY:
            return self._array(*content)
        raise ValueError(f"unknown extension {code}")

    def _blob(self, number: int) -> memoryview:
        start, size = self._blobs[number]
        return self._data[start : start + size]

    def _tensor(self, number: int, dtype: str, shape: list[int], order: list[int], device: str) -> object:
        import torch

        raw = self._blob(number)
        flat = torch.frombuffer(raw, dtype=torch.uint8) if len(raw) else torch.empty(0, dtype=torch.uint8)
        laid = flat.view(getattr(torch, dtype)).reshape(shape)
        back = sorted(range(len(order)), key=order.__getitem__)
        tensor = laid.permute(back)
        return tensor.to(device) if device == "cuda" and torch.cuda.is_available() else tensor

    def _array(self, number: int, dtype: str, shape: list[int], scalar: bool) -> object:
        import numpy

        array = numpy.frombuffer(self._blob(number), dtype=numpy.dtype(dtype)).reshape(shape)
        return array[()] if scalar else array
