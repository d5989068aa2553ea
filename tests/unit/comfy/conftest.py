"""A small checkpoint, and ComfyUI's modules over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.comfy.shims import Bridge, install, uninstall
from limner.diffusion.runtime import Checkpoint, Runtime
from limner.files import Folders
from limner.nodes.library import FAMILIES
from limner.plugins.services import Services
from limner.sdk import nodes_in
from tests.unit.diffusion.conftest import Writer, original_tensors


@pytest.fixture
def shims(tmp_path: Path) -> Iterator[Bridge]:
    """ComfyUI's modules, importable while the test runs."""
    services = Services().add(Runtime, Runtime("cpu", "fp32"))
    builtin = {node.schema.type: node for node in nodes_in(FAMILIES)}
    bridge = Bridge(Folders.under(tmp_path), services, builtin)
    finder = install(bridge)
    yield bridge
    uninstall(finder)


@pytest.fixture
def small(shims: Bridge, tmp_path: Path) -> Checkpoint:
    """A model of the original layout with few channels."""
    return shims.services.get(Runtime).load_checkpoint(Writer(tmp_path, original_tensors())())
