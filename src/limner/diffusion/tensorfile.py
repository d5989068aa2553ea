"""Files of named tensors, read one tensor at a time.

A safetensors file is an 8-byte little-endian length, that many bytes of JSON (name -> dtype, shape, byte range; and
`__metadata__`, text to text), then the raw tensors. It is mapped, never read whole: `read` copies one tensor into the
dtype and layout that it runs in and hands its pages back, so that loading needs little memory beyond the result, and a
file that changes later cannot change a model. Pickles run code when they are opened, so they are refused unless the
caller allows them, and then opened with torch's restricted loader only.
"""

import contextlib
import json
import mmap
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from limner.diffusion.errors import CheckpointError

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_PICKLE_SUFFIXES = {".ckpt", ".pt", ".pth", ".bin", ".pkl"}
_HEADER_LIMIT = 100_000_000  # bytes; the limit of the format's own library
_PART = 2**20  # bytes asked for at a time
_PIECE = 2**14  # values converted at a time
_AGAIN = "Download or copy it again"
_NO_MODEL = "Choose a .safetensors model file"
_UNREADABLE = "Make the file readable to this user, or copy it again"


class TensorFile(Protocol):
    """Named tensors in a file. `metadata` is the text that the file carries beside them."""

    path: Path
    metadata: Mapping[str, str]

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every tensor's shape, by name, in the order of the file."""
        ...

    def floating(self, name: str) -> bool:
        """Whether the file holds the tensor as floating-point numbers."""
        ...

    def read(self, name: str, dtype: torch.dtype | None, layout: torch.memory_format) -> torch.Tensor:
        """A copy of one tensor on the CPU, as `dtype` (None keeps the file's); `layout` applies to 4-D tensors."""
        ...

    def expect(self) -> None:
        """Start reading the file into the system's memory, in the background: all of it is going to be wanted."""
        ...

    def in_file_order(self, names: Iterable[str]) -> list[str]:
        """The names sorted by where their bytes lie, so that a cold file is read in one sweep."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


class SafetensorsFile:
    """A safetensors file, mapped. Raises `CheckpointError` on whatever is not one, or not all of one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as stream:
                size = path.stat().st_size
                header, self._offset = _header(path, stream.read(8), stream.read, size)
                # Private: pages can be handed to torch as writable memory, and nothing is ever written to the file.
                self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        except OSError as error:
            raise CheckpointError(path, f"cannot be read ({error.strerror or error})", _UNREADABLE) from error
        self.metadata: Mapping[str, str] = header.pop("__metadata__", None) or {}
        if not isinstance(self.metadata, dict):
            self._map.close()
            raise CheckpointError(path, "is not a safetensors file: its metadata is no table", _AGAIN)
        self._entries = {name: _entry(path, name, fields) for name, fields in header.items()}
        end = self._offset + max((entry.end for entry in self._entries.values()), default=0)
        if end > size:
            self._map.close()
            raise CheckpointError(path, f"is truncated: {size:,} of {end:,} bytes", _AGAIN)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every tensor's shape, by name."""
        return {name: entry.shape for name, entry in self._entries.items()}

    def floating(self, name: str) -> bool:
        """Whether the tensor is of floating-point numbers."""
        return self._entries[name].dtype.is_floating_point

    def expect(self) -> None:
        """Let the system read ahead, where it can be told to."""
        if hasattr(os, "posix_fadvise"):
            threading.Thread(target=_read_ahead, args=(self.path,), name="read ahead", daemon=True).start()

    def in_file_order(self, names: Iterable[str]) -> list[str]:
        """The names sorted by where their bytes lie."""
        return sorted(names, key=lambda name: self._entries[name].start)

    def read(self, name: str, dtype: torch.dtype | None, layout: torch.memory_format) -> torch.Tensor:
        """A copy of one tensor on the CPU; the pages that it lay on leave this process's memory."""
        entry = self._entries[name]
        count = (entry.end - entry.start) // entry.dtype.itemsize
        start = self._offset + entry.start
        if count == 0:
            return torch.empty(entry.shape, dtype=dtype or entry.dtype)
        raw = torch.frombuffer(self._map, dtype=entry.dtype, count=count, offset=start).view(entry.shape)
        tensor = _copied(raw, dtype or entry.dtype, layout)
        first = start - start % mmap.PAGESIZE
        self._map.madvise(mmap.MADV_DONTNEED, first, start + entry.end - entry.start - first)
        return tensor

    def close(self) -> None:
        """Let go of the map."""
        self._map.close()


class PickleFile:
    """A pickled state dict, opened by torch's restricted loader: tensors and plain containers, no code."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata: Mapping[str, str] = {}
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:  # the loader's failures have no common class
            remedy = "Convert it to .safetensors with a tool that you trust"
            raise CheckpointError(path, f"the restricted loader refuses it ({type(error).__name__})", remedy) from error
        inner = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
        self._tensors = {name: value for name, value in inner.items() if isinstance(value, torch.Tensor)}
        if not self._tensors:
            raise CheckpointError(path, "holds no tensors", _NO_MODEL)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every tensor's shape, by name."""
        return {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}

    def floating(self, name: str) -> bool:
        """Whether the tensor is of floating-point numbers."""
        return self._tensors[name].is_floating_point()

    def expect(self) -> None:
        """Nothing: torch's loader has its own ways."""

    def in_file_order(self, names: Iterable[str]) -> list[str]:
        """The names as they come."""
        return list(names)

    def read(self, name: str, dtype: torch.dtype | None, layout: torch.memory_format) -> torch.Tensor:
        """A copy of one tensor."""
        raw = self._tensors[name]
        return _copied(raw, dtype or raw.dtype, layout)

    def close(self) -> None:
        """Let go of the tensors."""
        self._tensors.clear()


class GivenTensors:
    """Tensors that are in memory already, as a file; `name` is what errors call it."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], name: str = "tensors") -> None:
        self.path = Path(name)
        self.metadata: Mapping[str, str] = {}
        self._tensors = dict(tensors)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every tensor's shape, by name."""
        return {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}

    def floating(self, name: str) -> bool:
        """Whether the tensor is of floating-point numbers."""
        return self._tensors[name].is_floating_point()

    def expect(self) -> None:
        """Nothing is to be read."""

    def in_file_order(self, names: Iterable[str]) -> list[str]:
        """The names as they come."""
        return list(names)

    def read(self, name: str, dtype: torch.dtype | None, layout: torch.memory_format) -> torch.Tensor:
        """A copy of one tensor."""
        raw = self._tensors[name].detach().cpu()
        return _copied(raw, dtype or raw.dtype, layout)

    def close(self) -> None:
        """Let go of the tensors."""
        self._tensors.clear()


class RenamedTensors:
    """Some of another file's tensors by other names; `names` maps the new to its own."""

    def __init__(self, file: TensorFile, names: Mapping[str, str]) -> None:
        self.path, self.metadata = file.path, file.metadata
        self._file, self._names = file, names

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every tensor's shape, by its new name."""
        shapes = self._file.shapes()
        return {new: shapes[old] for new, old in self._names.items()}

    def floating(self, name: str) -> bool:
        """Whether the other file holds the tensor as floating-point numbers."""
        return self._file.floating(self._names[name])

    def expect(self) -> None:
        """As the other file does."""
        self._file.expect()

    def in_file_order(self, names: Iterable[str]) -> list[str]:
        """The new names sorted by where their bytes lie."""
        back = {self._names[name]: name for name in names}
        return [back[name] for name in self._file.in_file_order(back)]

    def read(self, name: str, dtype: torch.dtype | None, layout: torch.memory_format) -> torch.Tensor:
        """A copy of one tensor."""
        return self._file.read(self._names[name], dtype, layout)

    def close(self) -> None:
        """Let go of the other file."""
        self._file.close()


def _read_ahead(path: Path) -> None:
    """Ask for every part of a file. The system reads no more than a part for each time that it is asked."""
    with contextlib.suppress(OSError), path.open("rb") as stream:
        for start in range(0, path.stat().st_size, _PART):
            os.posix_fadvise(stream.fileno(), start, _PART, os.POSIX_FADV_WILLNEED)


def _copied(raw: torch.Tensor, dtype: torch.dtype, layout: torch.memory_format) -> torch.Tensor:
    """A copy as `dtype`; 4-D tensors in `layout`."""
    kept = layout if raw.ndim == 4 else torch.contiguous_format
    if raw.ndim == 0:
        return raw.to(dtype, copy=True)
    # torch has no fast way from one half precision to the other, but fast ones to and from float32: go through it in
    # pieces that stay in the processor's cache. Rounding is the same, since float32 holds both exactly. The pieces are
    # too small for torch to share them among threads: files are read by several threads, which would get in its way.
    halves = {raw.dtype, dtype} == {torch.float16, torch.bfloat16}
    result = torch.empty(raw.shape, dtype=dtype, memory_format=kept)
    rows = max(1, _PIECE // raw[0].numel())
    for start in range(0, raw.shape[0], rows):
        piece = raw[start : start + rows]
        if halves:
            piece = piece.float() if kept is torch.contiguous_format else piece.float().to(dtype)
        result[start : start + rows].copy_(piece)
    return result


def open_tensors(path: Path, allow_pickle: bool = False) -> TensorFile:
    """Open a file of tensors. Raises `CheckpointError`: missing, truncated, mistyped, or a pickle not allowed."""
    if not path.is_file():
        raise CheckpointError(path, "no such file", "Check the name, or put the file into the models folder")
    try:
        with path.open("rb") as stream:
            magic = stream.read(9)
    except OSError as error:
        raise CheckpointError(path, f"cannot be read ({error.strerror or error})", _UNREADABLE) from error
    pickled = magic[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") and magic[8:9] != b"{"
    if pickled or (path.suffix.lower() in _PICKLE_SUFFIXES and magic[8:9] != b"{"):
        if not allow_pickle:
            remedy = "Use its .safetensors version, or convert it with a tool that you trust"
            raise CheckpointError(path, "is a pickle, which can run code when it is opened", remedy)
        return PickleFile(path)
    return SafetensorsFile(path)


def _header(path: Path, prefix: bytes, more: Any, size: int) -> tuple[dict[str, Any], int]:
    if size == 0:
        raise CheckpointError(path, "is empty", _AGAIN)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length > _HEADER_LIMIT:
        raise CheckpointError(path, "is not a safetensors file", _NO_MODEL)
    if 8 + length > size:
        raise CheckpointError(path, f"is truncated inside its header: {size:,} bytes", _AGAIN)
    try:
        header = json.loads(more(length))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(path, "is not a safetensors file: its header is no JSON", _NO_MODEL) from error
    if not isinstance(header, dict):
        raise CheckpointError(path, "is not a safetensors file: its header is no table of tensors", _NO_MODEL)
    return header, 8 + length


def _entry(path: Path, name: str, fields: Any) -> _Entry:
    try:
        dtype = _DTYPES[fields["dtype"]]
        shape = tuple(int(n) for n in fields["shape"])
        start, end = (int(n) for n in fields["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(path, f"its header describes tensor {name!r} in a way that is unknown", _AGAIN) from error
    count = 1
    for n in shape:
        count *= n
    if min(shape, default=0) < 0 or start < 0 or end - start != count * dtype.itemsize:
        raise CheckpointError(path, f"tensor {name!r} does not fit its shape {list(shape)}", _AGAIN)
    return _Entry(dtype, shape, start, end)
