"""The version of a pack's nodes: a digest of the pack's source files, so that what older code kept is not taken."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from limner.sdk import Implementation

from .packs import Pack


def versioned(pack: Pack) -> list[Implementation]:
    """The pack's nodes, with versions."""
    version = digest(pack.path)
    return [_with_version(node, version) for node in pack.nodes]


def _with_version(node: Implementation, version: str) -> Implementation:
    told: Any = copy(node)
    told.schema = replace(node.schema, version=version)
    return told  # type: ignore[no-any-return]


def digest(path: Path) -> str:
    """Of a pack's source files: its folder, or its one file."""
    digest = blake2b(digest_size=8)
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        digest.update(f"{file.name}\n".encode())
        try:
            digest.update(file.read_bytes())
        except OSError:
            continue  # a broken link, or a folder that ends in `.py`
    return digest.hexdigest()
