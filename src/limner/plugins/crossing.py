"""Values that go from one process to another: plain data, tensors and arrays. Live objects stay where they are.

A value is msgpack; a tensor is an extension of its dtype, shape and bytes (of the CPU copy, contiguous).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

TENSOR, ARRAY = 2, 3


class CannotCross(TypeError):
    """The value holds a live object, which no other process can use."""

    def __init__(self, kind: str) -> None:
        self.remedy = "Run the nodes that pass it to each other in the same host"
        super().__init__(f"a {kind} cannot leave the process that made it")


def pack(items: Sequence[object]) -> bytes:
    """Raises CannotCross."""
    return msgspec.msgpack.encode(list(items), enc_hook=_pack_object)


def unpack(data: bytes) -> list[object]:
    """The items again; imports torch or numpy where there are tensors or arrays."""
    return msgspec.msgpack.decode(data, type=list[object], ext_hook=_unpack_object)


def _pack_object(value: Any) -> object:
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name == "torch.Tensor":
        import torch  # there already, as the value is one of its tensors

        # Bytes are taken through an integer view: numpy has no bfloat16.
        plain = value.detach().cpu().contiguous()
        raw = plain.flatten().view(dtype=torch.uint8).numpy().tobytes()
        return msgspec.msgpack.Ext(
            TENSOR, msgspec.msgpack.encode((str(value.dtype).removeprefix("torch."), tuple(value.shape), raw))
        )
    if name == "numpy.ndarray" and value.dtype != object:
        return msgspec.msgpack.Ext(ARRAY, msgspec.msgpack.encode((value.dtype.str, value.shape, value.tobytes())))
    raise CannotCross(name)


def _unpack_object(code: int, data: memoryview) -> object:
    dtype, shape, raw = msgspec.msgpack.decode(data, type=tuple[str, tuple[int, ...], bytes])
    if code == TENSOR:
        import torch

        flat = torch.frombuffer(bytearray(raw), dtype=torch.uint8) if raw else torch.empty(0, dtype=torch.uint8)
        return flat.view(getattr(torch, dtype)).reshape(shape)
    import numpy

    return numpy.frombuffer(bytearray(raw), dtype=numpy.dtype(dtype)).reshape(shape)
