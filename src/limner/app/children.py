"""Processes that nodes start: a pack's functions are found there by the names that they have in the host."""

from __future__ import annotations

import sys

from limner.comfy.packs_compiled import mend_compiled_parts
from limner.comfy.packs_imports import PackFinder
from limner.comfy.packs_quirks import mend_extension_loading
from limner.comfy.shims import Bridge, install
from limner.plugins.services import Services
from limner.settings import Settings

from .folders import folders_of


def prepare_child(settings: Settings) -> None:
    """Make packs importable, and ComfyUI's modules for them: nothing is imported before something asks for it."""
    folders = folders_of(settings)

    def prepare() -> None:
        install(Bridge(folders, Services(folders)))
        mend_extension_loading()
        mend_compiled_parts()

    sys.meta_path.append(PackFinder(folders.model_folder("custom_nodes").paths, prepare))
