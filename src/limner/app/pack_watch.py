"""`--reload`: packs are imported anew by their hosts when their files are saved.

Rules:

- What counts is a `.py` or `.toml` file of a pack, and a pack that comes, goes, or is switched on or off. Folders that
  packs are links to are watched too.
- The host of the pack imports it, and nothing else happens to that host: models, values and other packs stay.
- Everybody is told: the log, and the clients by a message `packs_reloaded`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from watchfiles import Change, awatch

from limner.comfy.packs_imports import find_packs
from limner.engine.ports import Said
from limner.files import Folders

from .hosts import Hosts
from .news import HostNews
from .node_set import SHARED, NodeSet

log = logging.getLogger(__name__)

EVENT = "packs_reloaded"
STEP, LONGEST = 50, 400
"""Milliseconds without a change that end a batch of changes, and milliseconds that a batch lasts at most."""
SUFFIXES = (".py", ".toml")
DISABLED = ".disabled"
PASSED_OVER = frozenset({"__pycache__", "node_modules"})


class PackFolders:
    """Folders that packs are in, and which pack a path belongs to."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder for folder in folders if folder.is_dir()]

    def roots(self) -> list[Path]:
        """What is to be watched: the folders, and where packs in them are links to."""
        return [*self._folders, *self._linked()]

    def pack_of(self, changed: Path) -> Path | None:
        """The pack whose code the path is, or that came or went with it; None where it is of no account."""
        for target, entry in self._linked().items():
            if changed.is_relative_to(target):
                return self._counted(entry, changed.relative_to(target).parts)
        for folder in self._folders:
            if changed.is_relative_to(folder) and changed != folder:
                first, *inside = changed.relative_to(folder).parts
                return self._counted(folder / first.removesuffix(DISABLED), inside)
        return None

    def _counted(self, pack: Path, inside: Sequence[str]) -> Path | None:
        hidden = any(part.startswith(".") or part in PASSED_OVER for part in (pack.name, *inside))
        return pack if not hidden and (not inside or inside[-1].endswith(SUFFIXES)) else None

    def _linked(self) -> Mapping[Path, Path]:
        return {path.resolve(): path for path in find_packs(self._folders) if path.is_symlink()}


async def watch_packs(folders: Folders, hosts: Hosts, node_set: NodeSet, news: HostNews) -> None:
    """Have packs imported anew whenever they change, until this is cancelled."""
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    watched = PackFolders(folders.model_folder("custom_nodes").paths)
    async for packs in changes(watched):
        node_set.sources_changed()
        for name, paths in _by_host(packs, hosts).items():
            try:
                told = await hosts.by_name[name].ask("reload", [str(path) for path in paths])
            except Exception as error:  # the host may have died of it; there will be another, and another change
                log.warning("the packs could not be imported anew: %s", error)
                continue
            news.said(Said(EVENT, {"packs": told}))


async def changes(watched: PackFolders) -> AsyncIterator[list[Path]]:
    """The packs that have changed, batch by batch."""
    while True:
        roots = watched.roots()
        async for batch in awatch(*roots, watch_filter=_wanted, step=STEP, debounce=LONGEST):
            found = {pack for _, path in batch if (pack := watched.pack_of(Path(path))) is not None}
            if found:
                yield sorted(found)
            if watched.roots() != roots:  # a pack came or went that is a link to elsewhere
                break


def _wanted(change: Change, path: str) -> bool:
    return "__pycache__" not in path and "/.git/" not in path


def _by_host(packs: Sequence[Path], hosts: Hosts) -> Mapping[str, list[Path]]:
    """The packs that each host that runs is to import; a host that does not will find them as they are."""
    own = {host.path: name for name, host in hosts.own.items()}
    found: dict[str, list[Path]] = {}
    for pack in packs:
        name = own.get(pack, SHARED)
        if name == SHARED or hosts.by_name[name].ready:
            found.setdefault(name, []).append(pack)
    return found
