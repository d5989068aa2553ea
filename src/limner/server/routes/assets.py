"""`/assets`: files of all folders under one kind of name, for the editor's library.

An asset's id is a digest of the folder and name of its file; its tags are the folder (`input`, `output`, or `models`
and the kind). Files are looked up anew with every request, so that there is no index that could be stale.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from aiohttp import web

from limner.files import FileProblem, media_type

from ..answers import answer, not_found, whole_number
from ..services import Services, services
from .models import HIDDEN_FOLDERS
from .view import file_response

PAGE = 500
LARGEST_PAGE = 2000
MEDIA = ("input", "output")


@dataclass(frozen=True, slots=True)
class Asset:
    folder: str
    name: str

    @property
    def id(self) -> str:
        return hashlib.blake2b(f"{self.folder}/{self.name}".encode(), digest_size=16).hexdigest()

    @property
    def tags(self) -> list[str]:
        return [self.folder] if self.folder in MEDIA else ["models", self.folder]


def _all(served: Services) -> Iterator[Asset]:
    for folder in MEDIA:
        for name in served.folders.media_files(folder):
            yield Asset(folder, name)
    for kind in served.folders.models:
        if kind not in HIDDEN_FOLDERS:
            for name in served.folders.model_files(kind):
                yield Asset(kind, name)


def _described(served: Services, asset: Asset) -> dict[str, Any] | None:
    try:
        path = served.folders.resolve(asset.folder, asset.name)
        status = path.stat()
    except (FileProblem, OSError):
        return None
    changed = datetime.fromtimestamp(status.st_mtime, UTC).isoformat().replace("+00:00", "Z")
    return {
        "id": asset.id,
        "name": asset.name,
        "size": status.st_size,
        "mime_type": media_type(asset.name),
        "tags": asset.tags,
        "user_metadata": {"filename": asset.name},
        "created_at": changed,
        "updated_at": changed,
        "last_access_time": changed,
    }


def _words(request: web.Request, name: str) -> set[str]:
    return {part.strip() for part in request.query.get(name, "").split(",") if part.strip()}


async def list_assets(request: web.Request) -> web.Response:
    """Assets with all of `include_tags` and none of `exclude_tags`, whose name holds `name_contains`; paged."""
    limit = min(whole_number(request, "limit", low=1) or PAGE, LARGEST_PAGE)
    offset = whole_number(request, "offset") or 0
    wanted, unwanted = _words(request, "include_tags"), _words(request, "exclude_tags")
    part = request.query.get("name_contains", "").lower()
    served = services(request)

    def page() -> tuple[int, list[dict[str, Any]]]:
        chosen = [
            asset
            for asset in _all(served)
            if wanted.issubset(asset.tags) and unwanted.isdisjoint(asset.tags) and part in asset.name.lower()
        ]
        told = (_described(served, asset) for asset in chosen[offset : offset + limit])
        return len(chosen), [asset for asset in told if asset]

    total, assets = await asyncio.to_thread(page)
    return answer({"assets": assets, "total": total, "has_more": offset + limit < total})


async def get_asset(request: web.Request) -> web.Response:
    """One asset."""
    served = services(request)
    told = await asyncio.to_thread(lambda: _described(served, _find(served, request.match_info["asset"])))
    return answer(told) if told else _gone(request.match_info["asset"])


async def content(request: web.Request) -> web.StreamResponse:
    """The file of an asset."""
    served = services(request)
    path = await asyncio.to_thread(_path, served, request.match_info["asset"])
    return file_response(path)


def _path(served: Services, identifier: str) -> Path:
    asset = _find(served, identifier)
    return served.folders.resolve(asset.folder, asset.name)


def _find(served: Services, identifier: str) -> Asset:
    for asset in _all(served):
        if asset.id == identifier:
            return asset
    _gone(identifier)


def _gone(identifier: str) -> NoReturn:
    not_found(f"There is no asset {identifier}", "See /assets for those that there are")


async def tags(request: web.Request) -> web.Response:
    """All tags, with how many assets have them."""
    served = services(request)
    counts: dict[str, int] = {}
    for asset in await asyncio.to_thread(lambda: list(_all(served))):
        for tag in asset.tags:
            counts[tag] = counts.get(tag, 0) + 1
    told = [{"name": name, "count": count, "type": "system"} for name, count in sorted(counts.items())]
    return answer({"tags": told, "total": len(told), "has_more": False})


IDENTIFIER = "{asset:[0-9a-f]{32}}"
"""The editor's own files lie under /assets, too; none of them has such a name."""

ROUTES = (
    web.get("/assets", list_assets),
    web.get("/tags", tags),
    web.get(f"/assets/{IDENTIFIER}", get_asset),
    web.get(f"/assets/{IDENTIFIER}/content", content),
)
