"""The version of a pack's nodes: a digest of the pack's source files, so that what older code kept is not taken."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from .packs import Pack
from .v1 import V1Node


def versioned(pack: Pack) -> list[V1Node]:
    """The pack's nodes, with versions."""
    digest = _digest(pack.path)
    return [_with_version(node, digest) for node in pack.nodes]


def _with_version(node: V1Node, version: str) -> V1Node:
    told = copy(node)
    told.schema = replace(node.schema, version=version)
    return told


def _digest(path: Path) -> str:
    digest = blake2b(digest_size=8)
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        digest.update(f"{file.name}\n".encode())
        try:
            digest.update(file.read_bytes())
        except OSError:
            continue  # a broken link, or a folder that ends in `.py`
    return digest.hexdigest()
