"""`/assets`: files of all folders under one kind of name, for the editor's library. See `limner.server.assets`."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from ..answers import answer, bad_request, not_found
from ..assets import MEDIA, Asset, Assets, of_item
from ..auth import identity
from ..describe import describes, read_query, words
from ..endpoints import LIBRARY
from ..services import services
from ..shapes import Pagination
from ..states import outputs_of
from .view import file_response

LARGEST_PAGE = 2000
SORTS = ("name", "created_at", "updated_at", "size", "last_access_time")
MOST_TAGS, LONGEST_TAG = 200, 200
HASH = r"^blake3:[0-9a-f]{64}$"
Tag = Annotated[str, Meta(min_length=1, max_length=LONGEST_TAG)]


class AssetsQuery(msgspec.Struct):
    include_tags: Annotated[str, Meta(description="All of these, with commas.")] = ""
    exclude_tags: Annotated[str, Meta(description="None of these, with commas.")] = ""
    name_contains: str = ""
    metadata_filter: Annotated[str, Meta(description="A JSON object: metadata that has these values.")] = ""
    hash: Annotated[str, Meta(description="What the file holds: blake3:HEX.")] = ""
    sort: Annotated[str, Meta(pattern=f"^({'|'.join(SORTS)})$")] = "name"
    order: Annotated[str, Meta(pattern="^(asc|desc)$")] = "asc"
    limit: Annotated[int, Meta(ge=1)] = 500
    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0
    after: Annotated[str, Meta(description="The `next_cursor` of the page before.")] = ""


class AssetTold(msgspec.Struct, omit_defaults=True):
    """A file. `hash` is null for a large one that was never asked for one by one."""

    id: str
    name: str
    size: int
    tags: list[str]
    mime_type: str
    user_metadata: dict[str, Any]
    created_at: str
    updated_at: str
    hash: str | None = None
    preview_url: str | None = None
    preview_id: str | None = None
    loader_path: str | None = None
    display_name: str | None = None
    created_new: bool | None = None


class AssetList(msgspec.Struct):
    assets: list[AssetTold]
    total: int
    has_more: bool
    next_cursor: str | None = None


class TagsQuery(msgspec.Struct):
    prefix: str = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0
    order: Annotated[str, Meta(pattern="^(name_asc|count_desc)$")] = "name_asc"


class TagCount(msgspec.Struct):
    name: str
    count: int
    type: str


class TagList(msgspec.Struct):
    tags: list[TagCount]
    total: int
    has_more: bool


class Histogram(msgspec.Struct):
    tag_counts: dict[str, int]


class ContentQuery(msgspec.Struct):
    disposition: Annotated[str, Meta(pattern="^(inline|attachment)$")] = "inline"


class SeedTold(msgspec.Struct):
    """Files are looked up anew with every request: there is no scan to wait for."""

    status: str


def user_assets(request: web.Request) -> Assets:
    return Assets(services(request), request.app[LIBRARY].assets, identity(request).user)


@describes(query=AssetsQuery, answer=AssetList)
async def list_assets(request: web.Request) -> web.Response:
    """Assets with all of `include_tags` and none of `exclude_tags`, whose name holds `name_contains`; paged."""
    query = read_query(request, AssetsQuery)
    limit, offset = min(query.limit, LARGEST_PAGE), _cursor(query.after) if query.after else query.offset

    def page() -> tuple[int, list[dict[str, Any]]]:
        assets = user_assets(request)
        chosen = _sorted(assets, _chosen(assets, query), query)
        told = (assets.described(asset) for asset in chosen[offset : offset + limit])
        return len(chosen), [asset for asset in told if asset]

    total, found = await asyncio.to_thread(page)
    more = offset + limit < total
    cursor = {"next_cursor": base64.urlsafe_b64encode(str(offset + limit).encode()).decode()} if more else {}
    return answer({"assets": found, "total": total, "has_more": more, **cursor})


def _cursor(after: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(after.encode()))
    except (ValueError, binascii.Error):
        bad_request("after is no cursor of ours", "Give the next_cursor of the page before")


def _chosen(assets: Assets, query: AssetsQuery) -> list[Asset]:
    wanted, unwanted, part = set(words(query.include_tags)), set(words(query.exclude_tags)), query.name_contains.lower()
    metadata = read_metadata(query.metadata_filter)
    found = assets.with_content(query.hash.lower()) if query.hash else assets.all()
    return [
        asset
        for asset in found
        if part in assets.shown_name(asset).lower()
        and wanted.issubset(tags := assets.tags(asset))
        and unwanted.isdisjoint(tags)
        and _has(asset, assets, metadata)
    ]


def _has(asset: Asset, assets: Assets, metadata: Mapping[str, Any]) -> bool:
    known = {"filename": asset.name, **assets.note(asset).user_metadata} if metadata else {}
    return all(key in known and known[key] == value for key, value in metadata.items())


def read_metadata(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        bad_request("metadata_filter is not a JSON object", 'Give {"key": value}')
    return found


def _sorted(assets: Assets, chosen: list[Asset], query: AssetsQuery) -> list[Asset]:
    backwards = query.order == "desc"
    if query.sort == "name":
        return sorted(chosen, key=lambda asset: assets.shown_name(asset).lower(), reverse=backwards)

    def measure(asset: Asset) -> float:
        try:
            status = assets.path(asset).stat()
        except OSError:
            return 0.0
        return status.st_size if query.sort == "size" else status.st_mtime

    return sorted(chosen, key=measure, reverse=backwards)


@describes(answer=AssetTold)
async def get_asset(request: web.Request) -> web.Response:
    """One asset, by its id or by what it holds (`blake3:...`)."""
    return answer(await asyncio.to_thread(one_asset, request))


def one_asset(request: web.Request) -> dict[str, Any]:
    assets, identifier = user_assets(request), request.match_info["asset"]
    told = assets.described(assets.find(identifier), whole=True)
    if told is None:
        not_found(f"The file of the asset {identifier} is gone", "See /assets for those that there are")
    return told


@describes(query=ContentQuery, media=("*/*",))
async def content(request: web.Request) -> web.StreamResponse:
    """The file of an asset."""
    attached = read_query(request, ContentQuery).disposition == "attachment"

    def find() -> tuple[Asset, Assets]:
        assets = user_assets(request)
        return assets.find(request.match_info["asset"]), assets

    asset, _ = await asyncio.to_thread(find)
    return file_response(services(request).folders.resolve(asset.folder, asset.name), attached=attached)


@describes(media=("*/*",))
async def has_content(request: web.Request) -> web.Response:
    """Whether there is a file that holds this: 200 or 404."""
    found = await asyncio.to_thread(lambda: user_assets(request).with_content(request.match_info["hash"]))
    if not found:
        not_found("There is no file that holds this", "See /assets for those that there are")
    return web.Response()


@describes(query=TagsQuery, answer=TagList)
async def tags(request: web.Request) -> web.Response:
    """All tags, with how many assets have them."""
    query = read_query(request, TagsQuery)
    counts = await asyncio.to_thread(lambda: _counted(user_assets(request)))
    found = [name for name in counts if name.startswith(query.prefix)]
    by_count = query.order == "count_desc"
    found.sort(key=lambda name: (-counts[name] if by_count else 0, name))
    system = {"models", *MEDIA, *services(request).folders.models}
    page = [
        {"name": name, "count": counts[name], "type": "system" if name in system else "user"}
        for name in found[query.offset : query.offset + query.limit]
    ]
    return answer({"tags": page, "total": len(found), "has_more": query.offset + len(page) < len(found)})


def _counted(assets: Assets, chosen: list[Asset] | None = None) -> Mapping[str, int]:
    return Counter(tag for asset in (assets.all() if chosen is None else chosen) for tag in assets.tags(asset))


@describes(query=AssetsQuery, answer=Histogram)
async def refine(request: web.Request) -> web.Response:
    """How many of the assets that a list would have have each tag."""
    query = read_query(request, AssetsQuery)

    def count() -> Mapping[str, int]:
        assets = user_assets(request)
        return _counted(assets, _chosen(assets, query))

    return answer({"tag_counts": await asyncio.to_thread(count)})


@describes(answer=SeedTold, loose=True)
async def seed(request: web.Request) -> web.Response:
    """Look for new files: they are found with every request, so that this has nothing to do."""
    return answer({"status": "completed"})


@describes(answer=SeedTold)
async def seed_status(request: web.Request) -> web.Response:
    """How far that is."""
    return answer({"status": "idle"})


class JobAsset(msgspec.Struct, omit_defaults=True):
    id: str
    name: str
    node_id: str
    output_key: str
    output_index: int
    size: int = 0
    mime_type: str = ""
    hash: str | None = None
    preview_url: str = ""
    created_at: str = ""


class JobAssets(msgspec.Struct):
    job_id: str
    assets: list[JobAsset]
    pagination: Pagination


class JobAssetsQuery(msgspec.Struct):
    limit: Annotated[int, Meta(ge=1)] = 500
    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0


@describes(query=JobAssetsQuery, answer=JobAssets)
async def job_assets(request: web.Request) -> web.Response:
    """The files that a job has made, as assets."""
    query, served, job = read_query(request, JobAssetsQuery), services(request), request.match_info["job"]
    entry = served.history.get(job)
    if entry is None and served.queue.place(job) is None:
        not_found(f"There is no job {job}", "See /jobs for those that there are")
    made = outputs_of(entry, {node: node for node in entry.outputs}) if entry is not None else {}

    def told() -> list[dict[str, Any]]:
        assets = user_assets(request)
        return [one for node, items in made.items() for one in _made_by(assets, node, items)]

    found = await asyncio.to_thread(told)
    page = found[query.offset : query.offset + query.limit]
    more = query.offset + len(page) < len(found)
    pagination = {"offset": query.offset, "limit": query.limit, "total": len(found), "has_more": more}
    return answer({"job_id": job, "assets": page, "pagination": pagination})


def _made_by(assets: Assets, node: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = ("id", "name", "size", "mime_type", "hash", "preview_url", "created_at")
    found = []
    for index, item in enumerate(items):
        asset = of_item(item)
        told = assets.described(asset) if asset is not None else None
        if told is not None:
            where = {"node_id": node, "output_key": item["kind"], "output_index": index}
            found.append({key: told[key] for key in keys if key in told} | where)
    return found


UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
HEX = r"blake3:[0-9a-f]{64}"
IDENTIFIER = f"{{asset:{UUID}|{HEX}}}"
"""The editor's own files lie under /assets, too; none of them has such a name."""

ROUTES = (
    web.get("/assets", list_assets),
    web.get("/assets/tags/refine", refine),
    web.post("/assets/seed", seed),
    web.get("/assets/seed/status", seed_status),
    web.get(f"/assets/hash/{{hash:{HEX}}}", has_content),
    web.get("/tags", tags),
    web.get(f"/assets/{IDENTIFIER}", get_asset),
    web.get(f"/assets/{IDENTIFIER}/content", content),
    web.get("/jobs/{job}/assets", job_assets),
)
