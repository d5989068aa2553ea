"""Changing assets: files are kept and deleted, and what a user says of them is noted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from aiohttp import web
from aiohttp.web_request import FileField
from msgspec import Meta

from limner.accounts import Scope
from limner.files import below, checked, write_new
from limner.files.assets import AssetNote, digest

from ..answers import ApiError, answer, bad_request, not_found, read_form
from ..assets import MEDIA, Asset, Assets
from ..auth import identity
from ..describe import FORM, JSON, describes, read_body, words
from ..endpoints import LIBRARY
from ..services import Services, services
from .assets import IDENTIFIER, AssetTold, one_asset, read_metadata, user_assets
from .uploads import LONGEST_NAME, MOST_COPIES

MOST_TAGS, LONGEST_TAG = 200, 200
HASH = r"^blake3:[0-9a-f]{64}$"
Tag = Annotated[str, Meta(min_length=1, max_length=LONGEST_TAG)]


class AssetForm(msgspec.Struct):
    """`tags` say where it goes: `input` (the default), `output`, `temp`, or `models` and the kind; the rest is kept."""

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    tags: str = ""
    name: str = ""
    user_metadata: str = ""
    hash: str = ""


class AssetChange(msgspec.Struct, forbid_unknown_fields=False):
    """What is to be other than before."""

    name: Annotated[str, Meta(max_length=1000)] | None = None
    tags: Annotated[list[Tag], Meta(max_length=MOST_TAGS)] | None = None
    user_metadata: dict[str, Any] | None = None
    preview_id: str | None = None


class TagsBody(msgspec.Struct):
    tags: Annotated[list[Tag], Meta(min_length=1, max_length=MOST_TAGS)]


class TagsTold(msgspec.Struct, omit_defaults=True):
    total_tags: list[str]
    added: list[str] | None = None
    already_present: list[str] | None = None
    removed: list[str] | None = None
    not_present: list[str] | None = None
    protected: list[str] | None = None


class FromHash(msgspec.Struct):
    """An asset of content that is here already."""

    hash: Annotated[str, Meta(pattern=HASH)]
    name: Annotated[str, Meta(max_length=LONGEST_NAME)] = ""
    tags: Annotated[list[Tag], Meta(max_length=MOST_TAGS)] = []
    user_metadata: dict[str, Any] = {}
    preview_id: str | None = None


@describes(form=AssetForm, answer=AssetTold, status=201, more=(200,))
async def upload(request: web.Request) -> web.Response:
    """Keep a file; one of the same name that holds the same is not kept twice."""
    if request.content_type == JSON:
        raise ApiError(400, "bad_request", "Files are not fetched from other places", f"Send the file itself as {FORM}")
    form = await read_form(request, "Send the file as the form field `file`, with its name")
    field = form.get("file")
    if not isinstance(field, FileField) or not field.filename:
        bad_request("There is no file in the field `file`", "Send the file as the form field `file`, with its name")
    data = await asyncio.to_thread(field.file.read)
    said = {
        name: value for name in ("tags", "name", "user_metadata", "hash") if isinstance(value := form.get(name), str)
    }
    if said.get("hash") and said["hash"].lower() != await asyncio.to_thread(digest, data):
        raise ApiError(400, "hash_mismatch", "The file does not hold what its hash says", "Send it again")
    tags = _form_tags(said.get("tags", ""))
    note = AssetNote(tags=tuple(tags), user_metadata=read_metadata(said.get("user_metadata", "")))
    return await _kept(request, said.get("name") or field.filename, data, note)


def _form_tags(text: str) -> list[str]:
    if not text.startswith("["):
        return list(words(text))
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        bad_request("tags is not a list of texts", 'Give ["input", "portrait"]')


@describes(body=FromHash, answer=AssetTold, status=201, more=(200,))
async def from_hash(request: web.Request) -> web.Response:
    """Keep content that is here already under another name or in another place."""
    body = await read_body(request, FromHash)

    def find() -> tuple[Asset, bytes]:
        assets = user_assets(request)
        found = assets.with_content(body.hash)
        if not found:
            not_found(f"There is no file that holds {body.hash}", "Send the file itself: POST /assets")
        return found[0], assets.path(found[0]).read_bytes()

    asset, data = await asyncio.to_thread(find)
    tags = body.tags or asset.place
    note = AssetNote(tags=tuple(tags), user_metadata=body.user_metadata, preview_id=body.preview_id or "")
    return await _kept(request, body.name or asset.name.rpartition("/")[2], data, note)


async def _kept(request: web.Request, name: str, data: bytes, note: AssetNote) -> web.Response:
    folder, rest = _destination(request, note.tags)
    if folder in MEDIA:
        from ..pictures import check_size

        await asyncio.to_thread(check_size, data, name)
    asset, new = await asyncio.to_thread(_write, services(request), folder, name.replace("\\", "/"), data)
    if rest or note.user_metadata or note.preview_id:
        owner = identity(request).user
        await request.app[LIBRARY].assets.write_note(owner, asset.id, replace(note, tags=tuple(rest)))
    told = await asyncio.to_thread(lambda: user_assets(request).described(asset, whole=True))
    return answer({**(told or {}), "created_new": new}, 201 if new else 200)


def _destination(request: web.Request, tags: tuple[str, ...]) -> tuple[str, list[str]]:
    """Folder or kind of model, and the tags that say nothing of it. Raises `ApiError`."""
    if "models" in tags:
        kinds = [tag for tag in tags if tag in services(request).folders.models]
        if not kinds:
            known = ", ".join(services(request).folders.models)
            bad_request("The tags name no kind of model", f'Give ["models", KIND]; there are {known}')
        _only_admins(request, "keeps models")
        return kinds[0], [tag for tag in tags if tag not in ("models", kinds[0])]
    folder = next((tag for tag in tags if tag in MEDIA), "input")
    return folder, [tag for tag in tags if tag != folder]


def _only_admins(request: web.Request, does: str) -> None:
    if identity(request).scope < Scope.ADMIN:
        raise ApiError(403, "not_allowed", f"Only an admin {does}", "Ask whoever runs the server")


def _write(served: Services, folder: str, name: str, data: bytes) -> tuple[Asset, bool]:
    """The asset, and whether it is new. Raises `FileProblem`."""
    if not name or any(len(part.encode()) > LONGEST_NAME for part in name.split("/")):
        bad_request("The file's name is empty or too long", f"Use at most {LONGEST_NAME} bytes")
    root = served.folders.media_folder(folder) if folder in MEDIA else served.folders.model_folder(folder).paths[0]
    if folder not in MEDIA:
        extensions = served.folders.model_folder(folder).extensions
        if extensions and not name.lower().endswith(tuple(extensions)):
            bad_request(f"{name} is no file of the kind {folder}", f"It takes {', '.join(sorted(extensions))}")
    target = below(root, checked(name))
    target.parent.mkdir(parents=True, exist_ok=True)
    for copy in range(MOST_COPIES):
        path = target if copy == 0 else target.with_name(f"{target.stem} ({copy}){target.suffix}")
        new = write_new(path, data)
        if new or (path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data):
            return Asset(folder, path.relative_to(root).as_posix()), new
    bad_request(f"There are too many files called {name}", "Give the file another name")


@describes(body=AssetChange, answer=AssetTold)
async def change(request: web.Request) -> web.Response:
    """Give an asset another name to show, other tags, metadata or preview; the file stays where it is."""
    body = await read_body(request, AssetChange)

    def note(assets: Assets, asset: Asset) -> AssetNote:
        old = assets.note(asset)
        return AssetNote(
            name=old.name if body.name is None else body.name,
            tags=old.tags if body.tags is None else tuple(tag for tag in body.tags if tag not in asset.place),
            user_metadata=old.user_metadata if body.user_metadata is None else body.user_metadata,
            preview_id=old.preview_id if body.preview_id is None else body.preview_id,
        )

    assets = await asyncio.to_thread(user_assets, request)
    asset = await asyncio.to_thread(assets.find, request.match_info["asset"])
    await request.app[LIBRARY].assets.write_note(identity(request).user, asset.id, note(assets, asset))
    return answer(await asyncio.to_thread(one_asset, request))


@describes(status=204)
async def delete(request: web.Request) -> web.Response:
    """Delete the file of an asset; one of a model only for an admin."""
    assets = await asyncio.to_thread(user_assets, request)
    asset = await asyncio.to_thread(assets.find, request.match_info["asset"])
    if asset.folder not in MEDIA:
        _only_admins(request, "deletes models")
    path = services(request).folders.resolve(asset.folder, asset.name)
    await asyncio.to_thread(path.unlink)
    await request.app[LIBRARY].assets.forget([asset.id])
    return web.Response(status=204)


@describes(body=TagsBody, answer=TagsTold)
async def add_tags(request: web.Request) -> web.Response:
    """Give an asset tags."""
    body = await read_body(request, TagsBody)
    assets = await asyncio.to_thread(user_assets, request)
    asset = await asyncio.to_thread(assets.find, request.match_info["asset"])
    known, note = assets.tags(asset), assets.note(asset)
    added = [tag for tag in dict.fromkeys(body.tags) if tag not in known]
    if len(known) + len(added) > MOST_TAGS:
        bad_request(f"An asset has at most {MOST_TAGS} tags", "Take some off first")
    changed = replace(note, tags=(*note.tags, *added))
    await request.app[LIBRARY].assets.write_note(identity(request).user, asset.id, changed)
    present = [tag for tag in dict.fromkeys(body.tags) if tag in known]
    return answer({"added": added, "already_present": present, "total_tags": [*known, *added]})


@describes(body=TagsBody, answer=TagsTold)
async def remove_tags(request: web.Request) -> web.Response:
    """Take tags off an asset; those that say where it lies stay."""
    body = await read_body(request, TagsBody)
    assets = await asyncio.to_thread(user_assets, request)
    asset = await asyncio.to_thread(assets.find, request.match_info["asset"])
    note = assets.note(asset)
    removed = [tag for tag in dict.fromkeys(body.tags) if tag in note.tags]
    changed = replace(note, tags=tuple(tag for tag in note.tags if tag not in removed))
    await request.app[LIBRARY].assets.write_note(identity(request).user, asset.id, changed)
    total = [*asset.place, *changed.tags]
    missing = [tag for tag in dict.fromkeys(body.tags) if tag not in removed and tag not in asset.place]
    protected = [tag for tag in dict.fromkeys(body.tags) if tag in asset.place]
    return answer({"removed": removed, "not_present": missing, "protected": protected, "total_tags": total})


ROUTES = (
    web.post("/assets", upload),
    web.post("/assets/from-hash", from_hash),
    web.put(f"/assets/{IDENTIFIER}", change),
    web.delete(f"/assets/{IDENTIFIER}", delete),
    web.post(f"/assets/{IDENTIFIER}/tags", add_tags),
    web.delete(f"/assets/{IDENTIFIER}/tags", remove_tags),
)
