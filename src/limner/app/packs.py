"""The packs of this installation, imported into a host, and what the server must know of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence

from limner.comfy.borrowed import borrowed
from limner.comfy.packs import Pack, load_packs
from limner.comfy.packs_compiled import mend_compiled_parts
from limner.comfy.packs_imports import find_packs
from limner.comfy.packs_quirks import lead_to, mend_extension_loading
from limner.comfy.shims import Bridge, install
from limner.files import Folders
from limner.packs.in_use import PackagesInUse
from limner.packs.installers import take_over
from limner.packs.places import Places
from limner.plugins.library import Library
from limner.plugins.services import Services

from .listening import SERVER_URL
from .loaded_packs import LoadedPacks, refreshed
from .role import Role

log = logging.getLogger(__name__)

NOTABLE, LONGEST = 0.1, 10
"""Seconds from which on a pack's import is told, and how many are."""


class PackTopics:
    """What the server asks of a host's packs: what they serve, and what they make of a request to queue a workflow."""

    def __init__(self, bridge: Bridge, loaded: LoadedPacks) -> None:
        self._bridge, self.loaded = bridge, loaded

    def describe(self, data: object) -> Mapping[str, object]:
        """`web`: folders of files for the editor, by pack. `routes`: (method, pattern), served at `address`."""
        endpoints = self.loaded.endpoints
        instance = endpoints.instance
        return {
            "web": {str(name): str(path) for name, path in self._bridge.web_directories.items()},
            "address": endpoints.address,
            "routes": [list(route) for route in endpoints.table],
            "on_prompt": bool(instance is not None and instance.on_prompt_handlers),
        }

    def on_prompt(self, data: object) -> object:
        """The body of a request to queue a workflow, as the packs' handlers change it."""
        instance = self.loaded.endpoints.instance
        return data if instance is None else instance.trigger_on_prompt(data)


def with_packs(
    library: Library, folders: Folders, services: Services, role: Role, loading: Callable[[str], None]
) -> tuple[Library, Bridge]:
    """The library and the nodes of the role's packs; of a pack's own host, these alone.

    ComfyUI's module names are importable from now on in this process. `loading` hears of each pack before it runs.
    """
    bridge = Bridge(folders, services, library, server_url=os.environ.get(SERVER_URL, ""))
    install(bridge)
    further = borrowed()
    bridge.classes.update({node.schema.type: node.cls for node in further})
    lead_to(folders.base)
    mend_extension_loading()
    mend_compiled_parts()
    places = Places.of(folders)
    packages = PackagesInUse(places) if role.pack is None else None
    if packages is not None:
        refreshed(packages)
        if find_packs(places.packs):
            take_over(places.by_pip)
    packs = load_packs(places.packs, bridge, choose=role.takes, loading=loading)
    _tell_times(packs)
    base = (library.including(further) if role.pack is None else Library()).including((), role.problems)
    loaded = LoadedPacks(base, packs, bridge, packages, role.may_take)
    services.add(PackTopics, PackTopics(bridge, loaded))
    return loaded.library(), bridge


def _tell_times(packs: Sequence[Pack]) -> None:
    """How long the imports took, and whose took longest."""
    slow = sorted((pack for pack in packs if pack.seconds >= NOTABLE), key=lambda pack: -pack.seconds)[:LONGEST]
    shown = "".join(f", {pack.name} {pack.seconds:.1f} s" for pack in slow)
    if packs:
        log.info("packs imported: %d in %.1f s%s", len(packs), sum(pack.seconds for pack in packs), shown)
