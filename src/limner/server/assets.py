"""Assets: the files of all folders under one kind of name, with what they hold and what was said of them.

Rules:

- An asset's id is a UUID made of its folder and name; it may be named by its content, `blake3:<hex>`, too.
- Its tags are where it lies (`input`, `output`, `temp`, or `models` and the kind), which cannot be taken off, and those
  that a user has given it. Tags, shown names and metadata are each user's own.
- Files are looked up anew with every request, so that there is no index that could be stale. What a file holds is
  digested when it is first listed, large files when they are first asked for one by one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from limner.files import FileProblem, media_kind, media_type
from limner.files.assets import PREFIX, AssetNote, AssetStore

from .answers import not_found
from .services import Services

MEDIA = ("input", "output", "temp")
HIDDEN_FOLDERS = frozenset({"configs", "custom_nodes"})
NAMESPACE = uuid.UUID("6b9d3a52-8f0f-5d0e-9a57-6c1f1f0a7e11")
LARGE = 64 * 2**20
"""Bytes of a file that is not digested only because it is listed."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file: `folder` is one of `MEDIA`, or a kind of model."""

    folder: str
    name: str

    @property
    def id(self) -> str:
        return str(uuid.uuid5(NAMESPACE, f"{self.folder}/{self.name}"))

    @property
    def place(self) -> list[str]:
        """The tags that say where it lies."""
        return [self.folder] if self.folder in MEDIA else ["models", self.folder]


class Assets:
    """A user's view of the files."""

    def __init__(self, served: Services, store: AssetStore, owner: str) -> None:
        self._served, self._store = served, store
        self._notes = store.notes(owner)

    def all(self) -> Iterator[Asset]:
        folders = self._served.folders
        for folder in MEDIA:
            for name in folders.all_media_files(folder):
                yield Asset(folder, name)
        for kind in folders.models:
            if kind not in HIDDEN_FOLDERS:
                for name in folders.model_files(kind):
                    yield Asset(kind, name)

    def find(self, identifier: str) -> Asset:
        """By its id or its content. Raises `ApiError` 404."""
        if identifier.startswith(PREFIX):
            found = self.with_content(identifier)
            return found[0] if found else gone(identifier)
        for asset in self.all():
            if asset.id == identifier.lower():
                return asset
        gone(identifier)

    def with_content(self, hash: str) -> list[Asset]:
        """The files that hold this now."""
        by_path = {self.path(asset): asset for asset in self.all()}
        found = [by_path[path] for path in self._store.paths(hash) if path in by_path]
        found = [asset for asset in found if self.digest(asset, force=True) == hash]
        if not found:
            found = [asset for asset in by_path.values() if self.digest(asset) == hash]
        return found

    def path(self, asset: Asset) -> Path:
        """Nowhere, for one that is gone."""
        try:
            return self._served.folders.resolve(asset.folder, asset.name)
        except FileProblem:
            return Path()

    def digest(self, asset: Asset, force: bool = False) -> str | None:
        """What the file holds; None for a large one that was not asked for yet, and for one that cannot be read."""
        try:
            path = self._served.folders.resolve(asset.folder, asset.name)
            if force or path.stat().st_size <= LARGE:
                return self._store.digest(path)
            return self._store.known_digest(path)
        except (FileProblem, OSError):
            return None

    def note(self, asset: Asset) -> AssetNote:
        return self._notes.get(asset.id, AssetNote())

    def tags(self, asset: Asset) -> list[str]:
        return [*asset.place, *(tag for tag in self.note(asset).tags if tag not in asset.place)]

    def shown_name(self, asset: Asset) -> str:
        return self.note(asset).name or asset.name

    def described(self, asset: Asset, *, whole: bool = False) -> dict[str, Any] | None:
        """As its routes tell it; None for a file that is gone. `whole`: digested even if it is large."""
        try:
            path = self._served.folders.resolve(asset.folder, asset.name)
            status = path.stat()
        except (FileProblem, OSError):
            return None
        note, changed, hash = self.note(asset), _time(status.st_mtime), self.digest(asset, force=whole)
        told: dict[str, Any] = {
            "id": asset.id,
            "name": self.shown_name(asset),
            "hash": hash,
            "asset_hash": hash,
            "size": status.st_size,
            "mime_type": media_type(asset.name),
            "tags": self.tags(asset),
            "user_metadata": {"filename": asset.name, **note.user_metadata},
            "preview_id": note.preview_id or None,
            "display_name": asset.name.rpartition("/")[2],
            "loader_path": asset.name if asset.folder not in MEDIA else None,
            "file_path": "/".join((*asset.place, asset.name)),
            "created_at": changed,
            "updated_at": changed,
            "last_access_time": changed,
        }
        if media_kind(asset.name) in ("image", "video", "audio"):
            told["preview_url"] = view_url(asset) if asset.folder in MEDIA else f"/assets/{asset.id}/content"
        return {key: value for key, value in told.items() if value is not None or key in ("hash", "preview_id")}


def view_url(asset: Asset) -> str:
    """Where a file of the input, output or temp folder is shown."""
    subfolder, _, name = asset.name.rpartition("/")
    return f"/view?filename={quote(name, safe='')}&subfolder={quote(subfolder, safe='')}&type={asset.folder}"


def gone(identifier: str) -> NoReturn:
    not_found(f"There is no asset {identifier}", "See /assets for those that there are")


def of_item(item: Mapping[str, Any]) -> Asset | None:
    """The asset that a run's output names; None for what is no file of ours."""
    name, folder = item.get("filename"), item.get("type", "output")
    if not isinstance(name, str) or folder not in MEDIA:
        return None
    subfolder = str(item.get("subfolder") or "").strip("/")
    return Asset(str(folder), f"{subfolder}/{name}" if subfolder else name)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
