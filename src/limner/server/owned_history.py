"""A user's runs in the history; and everyone's, as an admin sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from limner.files.folders import USERS
from limner.runs import Entry, History


class OwnedHistory:
    """A user's runs in the history."""

    def __init__(self, history: History, user: str) -> None:
        self._history, self._user = history, user

    async def record(self, entry: Entry) -> bool:
        return await self._history.record(entry)

    def get(self, run: str, owner: str | None = None) -> Entry | None:
        return self._history.get(run, self._user)

    def entries(self, limit: int | None = None, offset: int | None = None, owner: str | None = None) -> Sequence[Entry]:
        return self._history.entries(limit, offset, self._user)

    async def delete(self, run: str, owner: str | None = None) -> bool:
        return await self._history.delete(run, self._user)

    async def clear(self, owner: str | None = None) -> None:
        await self._history.clear(self._user)

    def count(self, owner: str | None = None) -> int:
        return self._history.count(self._user)

    def __len__(self) -> int:
        return self.count()

    async def close(self) -> None:
        """It is not the request's to close."""


class WholeHistory:
    """Everyone's runs, as an admin sees them: the files of users' runs by where they lie in the folders of all."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def record(self, entry: Entry) -> bool:
        return await self._history.record(entry)

    def get(self, run: str, owner: str | None = None) -> Entry | None:
        entry = self._history.get(run, owner)
        return None if entry is None else _placed(entry)

    def entries(self, limit: int | None = None, offset: int | None = None, owner: str | None = None) -> Sequence[Entry]:
        return [_placed(entry) for entry in self._history.entries(limit, offset, owner)]

    async def delete(self, run: str, owner: str | None = None) -> bool:
        return await self._history.delete(run, owner)

    async def clear(self, owner: str | None = None) -> None:
        await self._history.clear(owner)

    def count(self, owner: str | None = None) -> int:
        return self._history.count(owner)

    def __len__(self) -> int:
        return len(self._history)

    async def close(self) -> None:
        """It is not the request's to close."""


def _placed(entry: Entry) -> Entry:
    if not entry.home:
        return entry
    shown = {
        node: {kind: _moved(items, f"{USERS}/{entry.home}") for kind, items in outputs.items()}
        for node, outputs in entry.outputs.items()
    }
    return replace(entry, outputs=shown)


def _moved(items: object, folder: str) -> object:
    """What a node showed, with its files in this folder."""
    if not isinstance(items, list | tuple):
        return items
    return [
        {**item, "subfolder": f"{folder}/{item.get('subfolder') or ''}".rstrip("/")}
        if isinstance(item, Mapping) and isinstance(item.get("filename"), str)
        else item
        for item in items
    ]
