"""An answer in parts of which few change: each part is compressed once, and what is there is put together.

One gzip member (RFC 1952) may be made of deflate blocks (RFC 1951) that were compressed apart: each part ends on a byte
(a full flush) and looks at nothing before it. Only the checksum is made of the whole. Every reader of gzip takes that,
which cannot be said of several members behind each other.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 5
_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
"""Deflate, no name, no time, no system."""
_LAST = b"\x03\0"
"""An empty last block."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the answer, as it is and as deflate blocks, with what tells it from others."""

    body: bytes
    deflated: bytes
    digest: bytes

    @classmethod
    def of(cls, body: bytes) -> Part:
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = packer.compress(body) + packer.flush(zlib.Z_FULL_FLUSH)
        return cls(body, deflated, hashlib.blake2b(body, digest_size=16).digest())


@dataclass(frozen=True, slots=True)
class Payload:
    """An encoded answer, as it is and compressed, with its entity tag."""

    body: bytes
    gzipped: bytes
    etag: str


def payload(parts: Sequence[Part]) -> Payload:
    """The answer that these parts are."""
    body = b"".join(part.body for part in parts)
    tail = struct.pack("<II", zlib.crc32(body), len(body) % 2**32)
    gzipped = b"".join((_HEAD, *(part.deflated for part in parts), _LAST, tail))
    digest = hashlib.blake2b(b"".join(part.digest for part in parts), digest_size=16)
    return Payload(body, gzipped, digest.hexdigest())
