"""The text fields of an EXIF block (TIFF 6.0, section 2; EXIF 2.3, section 4.6). Standard library only."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_ASCII, _UNDEFINED = 2, 7
_EXIF_DIRECTORY, _USER_COMMENT = 0x8769, 0x9286
_NAMES = {0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software", _USER_COMMENT: "UserComment"}
_MAX_ENTRIES = 4096


def exif_texts(block: bytes) -> Iterator[tuple[str, str]]:
    """(field name, text) of each text field; fields without a name of their own are called `0x010d`, ...

    Raises `struct.error` for a damaged block.
    """
    block = block.removeprefix(b"Exif\0\0")
    if block[:2] not in (b"II", b"MM"):
        return
    order = "<" if block[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", block, 4)
    waiting, seen = [first], set()
    while waiting:
        offset = waiting.pop()
        if offset in seen or offset == 0:
            continue
        seen.add(offset)
        (count,) = struct.unpack_from(order + "H", block, offset)
        for entry in range(min(count, _MAX_ENTRIES)):
            at = offset + 2 + 12 * entry
            tag, kind, length = struct.unpack_from(order + "HHI", block, at)
            if tag == _EXIF_DIRECTORY:
                waiting.append(struct.unpack_from(order + "I", block, at + 8)[0])
            elif kind == _ASCII or (kind == _UNDEFINED and tag == _USER_COMMENT):
                start = at + 8 if length <= 4 else struct.unpack_from(order + "I", block, at + 8)[0]
                yield _NAMES.get(tag, f"{tag:#06x}"), _text(block[start : start + length], tag)


def _text(data: bytes, tag: int) -> str:
    if tag != _USER_COMMENT:
        return data.rstrip(b"\0").decode("utf-8", "replace")
    charset, text = data[:8], data[8:]
    if charset.startswith(b"UNICODE"):
        big = text[:1] == b"\0"
        return text.decode("utf-16-be" if big else "utf-16-le", "replace").rstrip("\0")
    return text.rstrip(b"\0").decode("utf-8", "replace")
