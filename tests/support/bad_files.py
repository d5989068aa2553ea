"""Files that cannot be used, as they turn up in the wild."""

from __future__ import annotations

import json
import pickle
import struct
import zlib
from pathlib import Path


def tensor_file(tensors: dict[str, tuple[str, list[int], int]], missing: int = 0) -> bytes:
    """A safetensors file of zeros: name -> (dtype, shape, bytes); `missing` bytes are cut off its end."""
    header, at = {}, 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(at)
    return data[: len(data) - missing]


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def pickled(trap: Path) -> bytes:
    """A pickle that runs code when it is loaded carelessly."""
    return pickle.dumps({"state_dict": Trap(trap)})


def png(width: int, height: int, data: bytes | None = None) -> bytes:
    """A black one-bit picture, however large; `data` are its compressed rows where they shall be wrong."""
    rows = data if data is not None else zlib.compress(bytes((width + 7) // 8 + 1) * height, 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
