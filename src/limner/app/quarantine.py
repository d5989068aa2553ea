"""Packs that kill their host again and again: left out, by name, until somebody lets them in or their files change.

A pack is blamed when its host dies while it imports the pack, or each time that a job runs a node of it. It is
quarantined when that has happened `AT_IMPORT` times, or to `IN_A_NODE` jobs with the same node type. What is decided
stands in `quarantine.json` in the user folder, so that the next start of the server need not find out again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from limner.comfy.packs_imports import find_packs, pack_name
from limner.files import CannotWrite, Folders, write_atomic

log = logging.getLogger(__name__)

AT_IMPORT, IN_A_NODE = 2, 3
FILE = "quarantine.json"
QUARANTINED = "it is quarantined"
"""What every reason begins with."""


class Quarantine:
    """The packs of one installation that are not let into a host, and why."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._file = folders.user / "limner" / FILE
        self._strikes: Counter[tuple[str, str]] = Counter()
        self._unsaved: dict[str, Mapping[str, str]] = {}

    def reasons(self) -> Mapping[str, str]:
        """The packs that are left out now, with what is said of each. Reads the file anew."""
        return {
            name: f"{QUARANTINED}, as {entry['reason']}; let it in again with: limner packs enable {name}"
            for name, entry in self._entries().items()
        }

    def blame(self, name: str, reason: str, node_type: str = "") -> bool:
        """A host died by this pack, while it was imported or a node ran; whether the pack is quarantined for it."""
        if name not in self._packs():
            return False
        self._strikes[name, node_type] += 1
        if self._strikes[name, node_type] < (IN_A_NODE if node_type else AT_IMPORT):
            log.warning("the pack %s is to blame: %s", name, reason)
            return False
        log.error("the pack %s is quarantined after %d times: %s", name, self._strikes.pop((name, node_type)), reason)
        entries = self._entries()
        entries[name] = {"reason": reason, "state": _state(self._packs()[name])}
        self._save(entries)
        return True

    def release(self, name: str) -> bool:
        """Let the pack in again; False if it was not quarantined."""
        entries = self._entries()
        if entries.pop(name, None) is None:
            return False
        self._save(entries)
        return True

    def _packs(self) -> Mapping[str, Path]:
        return {pack_name(path): path for path in find_packs(self._folders.model_folder("custom_nodes").paths)}

    def _entries(self) -> dict[str, Mapping[str, str]]:
        """Those whose files are what they were."""
        found: object = {}
        try:
            found = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read: %s", self._file, error)
        packs = self._packs()
        known = {**(found if isinstance(found, dict) else {}), **self._unsaved}
        return {
            name: entry
            for name, entry in known.items()
            if name in packs and isinstance(entry, dict) and entry.get("state") == _state(packs[name])
        }

    def _save(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        self._unsaved = {}
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._file, json.dumps(entries, indent=1).encode())
        except (OSError, CannotWrite) as error:
            self._unsaved = dict(entries)
            log.warning("the quarantine is forgotten when the server ends: %s", error)


def _state(pack: Path) -> str:
    """A digest of the names, sizes and times of its source files."""
    digest = hashlib.sha256()
    for path in sorted(pack.rglob("*.py")) if pack.is_dir() else [pack]:
        try:
            status = path.stat()
        except OSError:
            continue
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
