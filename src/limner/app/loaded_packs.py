"""The packs that a host has loaded, and their reloading while it runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import TimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.comfy.packs import Pack
from limner.comfy.packs_endpoints import Endpoints
from limner.comfy.packs_imports import pack_name
from limner.comfy.packs_reload import forget_pack, is_there, reload_pack
from limner.comfy.packs_versions import versioned
from limner.comfy.shims import Bridge
from limner.graph import Lane
from limner.packs.errors import PackProblem
from limner.packs.in_use import PackagesInUse
from limner.plugins.host import HostCore
from limner.plugins.library import Library, LoadProblem
from limner.sdk import Implementation

log = logging.getLogger(__name__)

PATIENCE = 0.3
"""Seconds that a reload waits for the device lane; while a long step holds it, the pack is imported beside it."""

ELSEWHERE = "has a host of its own, which is started with the server: start it again"


def refreshed(packages: PackagesInUse) -> None:
    """Have the packages on the path that the packs require now."""
    try:
        packages.refresh()
    except PackProblem as error:
        log.error("what packs require cannot be imported: %s", error)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A pack, and its nodes with the version of the files that they were made of."""

    pack: Pack
    nodes: Sequence[Implementation]


class LoadedPacks:
    """Packs over a library without them. `takes` says which packs this host may load."""

    def __init__(
        self,
        base: Library,
        packs: Iterable[Pack],
        bridge: Bridge,
        packages: PackagesInUse | None,
        takes: Callable[[Path], bool],
    ) -> None:
        self._base, self._bridge, self._packages, self._takes = base, bridge, packages, takes
        self._packs = {pack.path: _Loaded(pack, versioned(pack)) for pack in packs}
        self._failed: dict[Path, Sequence[LoadProblem]] = {}
        """Of packs whose new code could not be imported; the nodes are still the old."""
        self._core: HostCore | None = None
        self.endpoints = Endpoints()
        self.endpoints.serve()

    def library(self) -> Library:
        """The nodes of the library below and of all packs."""
        nodes = [node for loaded in self._packs.values() for node in loaded.nodes]
        problems = [
            problem for path, loaded in self._packs.items() for problem in self._failed.get(path, loaded.pack.problems)
        ]
        return self._base.including(nodes, problems)

    def belong_to(self, core: HostCore) -> None:
        """The host that is to have another library when packs are reloaded."""
        self._core = core

    def reload(self, data: object) -> Sequence[Mapping[str, Any]]:
        """The topic `reload`: import the packs at these paths anew, and forget those that are gone; what came of each.

        Raises RuntimeError as long as there is no host.
        """
        core = self._core
        if core is None:
            raise RuntimeError("the host is not there yet")
        paths = [Path(path) for path in data] if isinstance(data, list) else []
        told: list[Mapping[str, Any]] = []

        def work() -> None:
            told.extend(self._reloaded(path) for path in paths)
            core.use(self.library())

        in_turn = core.lanes.submit(Lane.DEVICE, work)
        try:
            in_turn.result(PATIENCE)
        except TimeoutError:
            if in_turn.cancel():
                core.lanes.submit(Lane.IO, work).result()
            else:
                in_turn.result()
        return told

    def _reloaded(self, path: Path) -> Mapping[str, Any]:
        known = self._packs.get(path)
        old = known.pack if known is not None else None
        if self._packages is not None:
            refreshed(self._packages)
        if not is_there(path) or not self._takes(path):
            forget_pack(path, old, self._bridge, self.endpoints)
            self._packs.pop(path, None)
            self._failed.pop(path, None)
            elsewhere = is_there(path)
            log.info("%s %s", pack_name(path), ELSEWHERE if elsewhere else "is gone")
            return {"pack": pack_name(path), "gone": True, **({"elsewhere": True} if elsewhere else {})}
        pack = reload_pack(path, old, self._bridge, self.endpoints)
        for problem in pack.problems:
            log.warning("%s: %s", problem.source, problem.message)
        if pack.failed and old is not None:
            self._failed[path] = pack.problems
            log.warning("%s could not be imported anew; its nodes are those from before", pack.name)
        else:
            self._packs[path] = _Loaded(pack, versioned(pack))
            self._failed.pop(path, None)
            log.info("%s is loaded anew, %d nodes in %.2f s", pack.name, len(pack.nodes), pack.seconds)
        return {
            "pack": pack.name,
            "nodes": len(pack.nodes),
            "seconds": pack.seconds,
            "failed": pack.failed,
            "problems": [problem.message for problem in pack.problems],
        }
