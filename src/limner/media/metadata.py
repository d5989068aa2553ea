"""Text that travels inside pictures, above all the workflow that made them. Standard library only.

PNG: `tEXt`, `zTXt`, `iTXt` chunks, and `comf` chunks of animations. WebP and JPEG: EXIF text fields of the form
`prompt:{...}` and `workflow:{...}`. Pixels are skipped, never decoded, so that a damaged picture still gives its text.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from limner.files.errors import BadFile

from .exif import exif_texts

MAX_TEXT = 64 * 1024 * 1024
"""Bytes of one text, compressed or not; a longer one is left out."""

_PNG = b"\x89PNG\r\n\x1a\n"
_LABELLED = re.compile(r"([A-Za-z_][\w .-]{0,63}):(?=\s*[\[{\"\d])")


@dataclass(frozen=True, slots=True)
class Embedded:
    """The workflow in a picture: `prompt` in API form, `workflow` in the editor's form; None where absent."""

    prompt: Mapping[str, object] | None = None
    workflow: Mapping[str, object] | None = None


def read_texts(source: Path | bytes) -> dict[str, str]:
    """The texts in a picture by key; empty for a picture without any. Raises `BadFile` for anything else."""
    if isinstance(source, bytes):
        return _texts(io.BytesIO(source), "the data")
    try:
        with source.open("rb") as file:
            return _texts(file, source.name)
    except OSError as error:
        raise BadFile(f"{source} cannot be read: {error.strerror}", "Check the path") from None


def read_embedded(source: Path | bytes) -> Embedded:
    """The workflow in a picture. Raises `BadFile`, for a workflow that is damaged too."""
    texts = read_texts(source)
    name = source.name if isinstance(source, Path) else "the picture"
    return Embedded(_json(texts, "prompt", name), _json(texts, "workflow", name))


def _json(texts: Mapping[str, str], key: str, name: str) -> Mapping[str, object] | None:
    if key not in texts:
        return None
    try:
        value = json.loads(texts[key])
    except (ValueError, RecursionError):
        value = False
    if value is not None and not isinstance(value, dict):
        raise BadFile(f"the {key} in {name} is damaged", "Use another copy of the picture, or the workflow's JSON file")
    return value


def _texts(file: BinaryIO, name: str) -> dict[str, str]:
    head = file.read(12)
    try:
        if head.startswith(_PNG):
            file.seek(len(_PNG))
            return dict(_png_texts(file))
        if head.startswith(b"RIFF") and head[8:] == b"WEBP":
            return dict(_labelled(_riff_exif(file)))
        if head.startswith(b"\xff\xd8"):
            file.seek(2)
            return dict(_labelled(_jpeg_exif(file)))
    except (struct.error, zlib.error, UnicodeDecodeError, ValueError) as error:
        raise BadFile(f"{name} is damaged: {error}", "Use another copy of the picture") from None
    raise BadFile(f"{name} is no PNG, WebP or JPEG picture", "Give a picture that was saved with its workflow")


def _png_texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind == b"IEND":
            return
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"comf") or length > MAX_TEXT:
            file.seek(length + 4, io.SEEK_CUR)
            continue
        data = file.read(length)
        file.seek(4, io.SEEK_CUR)
        if len(data) < length:  # truncated within the text
            return
        key, _, rest = data.partition(b"\0")
        text = _png_text(kind, rest)
        if text is not None:
            yield key.decode("latin-1"), text


def _png_text(kind: bytes, rest: bytes) -> str | None:
    if kind in (b"tEXt", b"comf"):
        return rest.decode("latin-1")
    if kind == b"zTXt":
        unpacked = _inflate(rest[1:])
        return None if unpacked is None else unpacked.decode("latin-1")
    flag = rest[:1]
    _language, _, tail = rest[2:].partition(b"\0")
    _translated, _, body = tail.partition(b"\0")
    content = _inflate(body) if flag == b"\1" else body
    return None if content is None else content.decode("utf-8")


def _inflate(data: bytes) -> bytes | None:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, MAX_TEXT)
    return None if unpacker.unconsumed_tail else content


def _riff_exif(file: BinaryIO) -> bytes:
    while len(header := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", header)
        if kind == b"EXIF" and length <= MAX_TEXT:
            return file.read(length)
        file.seek(length + (length & 1), io.SEEK_CUR)
    return b""


def _jpeg_exif(file: BinaryIO) -> bytes:
    while len(header := file.read(4)) == 4:
        marker, kind, length = struct.unpack(">BBH", header)
        if marker != 0xFF or kind in (0xDA, 0xD9):  # the pixels begin, or the picture ends
            return b""
        if kind == 0xE1:
            data = file.read(length - 2)
            if data.startswith(b"Exif\0\0"):
                return data
        else:
            file.seek(length - 2, io.SEEK_CUR)
    return b""


def _labelled(exif: bytes) -> Iterator[tuple[str, str]]:
    """EXIF texts: those of the form ``key:json`` under their key, the others under their field's name."""
    for field, text in exif_texts(exif):
        match = _LABELLED.match(text)
        if match:
            yield match.group(1), text[match.end() :]
        else:
            yield field, text
