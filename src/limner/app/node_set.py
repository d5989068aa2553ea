"""The nodes that the server knows now: at first those of the cache, then those that its hosts say they have."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from limner.comfy.object_info import ObjectInfo
from limner.files import Folders
from limner.graph import Catalog, NodeSchema
from limner.plugins.client import Loaded

from .quarantine import QUARANTINED
from .schema_cache import cache_for

log = logging.getLogger(__name__)

SHARED = ""
"""The name of the host of the built-in nodes and of the packs that share it."""


PACKS = "custom_nodes."
"""What the modules of packs' nodes begin with."""


class NodeSet:
    """Schemas by host. `homes` names the packs' own hosts by the module of their nodes (`custom_nodes.<pack>`).

    `comfyui` is the folder of an adopted ComfyUI, if there is one.
    """

    def __init__(self, folders: Folders, homes: Mapping[str, str], comfyui: Path | None = None) -> None:
        self._folders, self._homes, self._comfyui = folders, homes, comfyui
        self._cache = cache_for(folders, comfyui)
        self._listeners: list[Callable[[str], None]] = []
        self._by_host: dict[str, list[NodeSchema]] = {}
        self._problems: dict[str, dict[str, str]] = {}
        self._left_out: dict[str, str] = {}
        self._stale = False
        self._recall()
        self._learn()

    def home(self, node_type: str) -> str:
        """The host that the nodes of this type run in."""
        schema = self.catalog.get(node_type)
        return SHARED if schema is None else self._homes.get(schema.module, SHARED)

    def knows(self, name: str) -> bool:
        """Whether the nodes of this host are known, from itself or from the cache."""
        return name in self._by_host

    def when_ready(self, listener: Callable[[str], None]) -> None:
        """Call it with the name of each host that has loaded."""
        self._listeners.append(listener)

    def sources_changed(self) -> None:
        """Files of packs are others than they were: what hosts tell from now on is kept for these."""
        self._cache = cache_for(self._folders, self._comfyui)
        self._stale = True

    def loaded(self, name: str, loaded: Loaded) -> None:
        """A host has loaded these."""
        before = list(self._by_host.get(name, ())), self._problems.get(name, {})
        told = list(loaded.schemas), dict(loaded.problems)
        self._by_host[name], self._problems[name] = told
        offered = name == SHARED and bool(self._left_out)
        if name == SHARED:
            self._left_out.clear()  # it has left them out itself
        if told != before or offered:
            self._learn()
        if told != before or self._stale:
            self._keep()
        if name == SHARED:
            log.info("%d node types are ready", len(loaded.schemas))
        else:
            log.info("%d node types of %s are ready, in a host of its own", len(loaded.schemas), name)
        for listener in self._listeners:
            listener(name)

    def leave_out(self, pack: str, reason: str) -> None:
        """Offer no nodes of this pack, though a host still has them."""
        self._left_out[pack] = reason
        self._learn()

    def unavailable(self, name: str, reason: str) -> None:
        """There will be no host of this name: its nodes stay known, and say so when they are run."""
        self._problems[name] = {name: reason}
        self._learn()

    def _recall(self) -> None:
        """What the cache knows."""
        known = self._cache.load()
        if known is None:
            return
        for schema in known.schemas:
            name = self._homes.get(schema.module, SHARED)
            self._by_host.setdefault(name, []).append(schema)
        for pack, reason in known.problems.items():
            self._problems.setdefault(self._homes.get(f"{PACKS}{pack}", SHARED), {})[pack] = reason

    def _keep(self) -> None:
        """Save all that is known of this state of the packs; that one is quarantined may end without another."""
        absent = {pack: reason for pack, reason in self._absent().items() if not reason.startswith(QUARANTINED)}
        self._cache.save([schema for schemas in self._by_host.values() for schema in schemas], absent)
        self._stale = False

    def _absent(self) -> dict[str, str]:
        return {pack: reason for problems in self._problems.values() for pack, reason in problems.items()}

    def _learn(self) -> None:
        self.catalog = Catalog(self._without_doubles(), {**self._absent(), **self._left_out})
        self.object_info = ObjectInfo(self.catalog, self._folders.choices)

    def _without_doubles(self) -> Iterable[NodeSchema]:
        """A type that is there already is not taken from a pack's own host."""
        known: set[str] = set()
        for name, schemas in sorted(self._by_host.items()):
            for schema in schemas:
                if schema.module.removeprefix(PACKS) in self._left_out:
                    continue
                if name != SHARED and schema.type in known:
                    log.warning("%s has a node type %s, which is there already", name, schema.type)
                    continue
                known.add(schema.type)
                yield schema
