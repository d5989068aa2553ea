"""What a node's results depend on beside its inputs: its code, and the libraries that it computes with.

A node's version is a digest of its own module and of the packages that all nodes stand on, so that what an older
version of Limner, or of torch, has kept on the disk is not taken.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from limner.sdk import NodeFunction

PACKAGE = Path(__file__).resolve().parents[1]
SHARED = ("diffusion", "media", "files", "sdk", "nodes/tensors", "nodes/*.py")
LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "scipy", "Pillow", "av")


def versioned(nodes: Iterable[NodeFunction[..., Any]]) -> Iterator[NodeFunction[..., Any]]:
    """The same nodes, with versions."""
    shared = _shared()
    modules: dict[str, bytes] = {}
    for node in nodes:
        module = node.function.__module__
        if module not in modules:
            path = getattr(sys.modules[module], "__file__", None)
            modules[module] = Path(path).read_bytes() if path else b""
        digest = blake2b(shared + node.schema.version.encode() + modules[module], digest_size=8)
        told = copy(node)
        told.schema = replace(node.schema, version=digest.hexdigest())
        yield told


def _shared() -> bytes:
    digest = blake2b(digest_size=16)
    for name in SHARED:
        found = PACKAGE.glob(name) if name.endswith(".py") else (PACKAGE / name).rglob("*.py")
        for path in sorted(found):
            digest.update(path.read_bytes())
    for library in LIBRARIES:
        digest.update(f"{library} {_installed(library)}\n".encode())
    return digest.digest()


def _installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
