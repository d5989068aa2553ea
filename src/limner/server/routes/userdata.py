"""`/userdata` and `/v2/userdata`: a profile's files, saved workflows above all."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from aiohttp import web
from msgspec import Meta

from limner.files import MissingFile, below, media_type, write_atomic

from ..answers import ApiError, answer, bad_request, not_found
from ..describe import describes
from ..profiles import profile_folder
from .settings import FILE as SETTINGS_FILE
from .view import file_response

EDITOR_FOLDERS = frozenset({"workflows", "subgraphs"})
EDITOR_FILES = {"user.css": "", "comfy.templates.json": "[]", "workflows/.index.json": '{"favorites": []}'}
"""What the editor asks for whether it was ever saved or not: it is answered as empty, not as an error."""


class ListQuery(msgspec.Struct):
    dir: Annotated[str, Meta(min_length=1)]
    recurse: bool = False
    full_info: bool = False
    split: bool = False


class TreeQuery(msgspec.Struct):
    path: str = ""


class KeepQuery(msgspec.Struct):
    overwrite: bool = True
    full_info: bool = False


class FileInfo(msgspec.Struct):
    """Times in milliseconds since 1970."""

    path: str
    size: int
    modified: int
    created: int


class TreeEntry(msgspec.Struct, omit_defaults=True):
    """A file or a directory; `modified` in seconds since 1970."""

    name: str
    path: str
    type: str
    size: int | None = None
    modified: float | None = None


def _flag(request: web.Request, name: str, default: bool = False) -> bool:
    return request.query.get(name, str(default)).lower() == "true"


def _path(request: web.Request, name: str) -> Path:
    """A file of the request's profile. Raises `UnsafeName`."""
    return below(profile_folder(request), unquote(name))


def _described(path: Path, root: Path, full: bool) -> Any:
    relative = path.relative_to(root).as_posix()
    if not full:
        return relative
    status = path.stat()
    # In milliseconds, as the editor compares them with its own clock.
    times = {"modified": int(status.st_mtime * 1000), "created": int(status.st_ctime * 1000)}
    return {"path": relative, "size": status.st_size, **times}


@describes(query=ListQuery, answer=(list[str], list[list[str]], list[FileInfo]))
async def list_files(request: web.Request) -> web.Response:
    """The files below `dir`; `recurse`, `full_info` and `split` as in ComfyUI."""
    name = request.query.get("dir", "")
    if not name:
        bad_request("There is no dir", "Give ?dir=workflows")
    root = profile_folder(request) if name.strip("/") == "." else _path(request, name)
    if not root.is_dir():
        if name.strip("/") in EDITOR_FOLDERS:
            return answer([])
        not_found(f"There is no folder {name!r}", "It is made when a file is saved in it")
    full, split = _flag(request, "full_info"), _flag(request, "split")
    paths = await asyncio.to_thread(lambda: list(_files(root, _flag(request, "recurse"))))
    found = [_described(path, root, full) for path in paths]
    return answer([[name, *name.split("/")] for name in found] if split and not full else found)


def _files(root: Path, recurse: bool) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        if not recurse:
            folders.clear()
        for name in sorted(names):
            if not name.endswith(".part"):
                yield Path(folder, name)


@describes(query=TreeQuery, answer=list[TreeEntry])
async def list_tree(request: web.Request) -> web.Response:
    """Everything below `path`: folders first, then files, by name."""
    root = profile_folder(request)
    name = unquote(request.query.get("path", "")).strip("/")
    target = below(root, name) if name else root
    if not target.exists():
        if not name:
            return answer([])
        not_found(f"There is no folder {name!r}", "Leave path out to see what there is")
    if not target.is_dir():
        bad_request(f"{name!r} is not a folder", "Give the path of a folder")
    entries = await asyncio.to_thread(lambda: list(_tree(target, root)))
    return answer(sorted(entries, key=lambda entry: (entry["type"] != "directory", entry["name"].lower())))


def _tree(target: Path, root: Path) -> Iterator[dict[str, Any]]:
    for folder, folders, names in os.walk(target):
        for name in folders:
            yield {"name": name, "path": Path(folder, name).relative_to(root).as_posix(), "type": "directory"}
        for name in names:
            path = Path(folder, name)
            try:
                status = path.stat()
            except OSError:
                continue
            more = {"size": status.st_size, "modified": status.st_mtime}
            yield {"name": name, "path": path.relative_to(root).as_posix(), "type": "file", **more}


@describes(media=("*/*",), more=(206,))
async def get_file(request: web.Request) -> web.StreamResponse:
    """One file."""
    name = request.match_info["file"]
    path = _path(request, name)
    if not path.is_file():
        if name in EDITOR_FILES:
            return web.Response(text=EDITOR_FILES[name], content_type=media_type(name))
        raise MissingFile(f"there is no file {unquote(name)!r}", "See /userdata?dir=... for those that there are")
    return file_response(path)


@describes(query=KeepQuery, raw=True, answer=(str, FileInfo))
async def put_file(request: web.Request) -> web.Response:
    """Keep the body as a file; `overwrite=false` refuses to replace one."""
    path = _path(request, request.match_info["file"])
    if path.is_dir():
        bad_request("This is the name of a folder", "Give the name of a file")
    if not _flag(request, "overwrite", True) and path.exists():
        raise ApiError(409, "file_exists", f"There is a file {path.name} already", "Use overwrite=true to replace it")
    body = await request.read()
    await asyncio.to_thread(_write, path, body)
    return answer(_described(path, profile_folder(request), _flag(request, "full_info")))


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, body)


@describes(status=204)
async def delete_file(request: web.Request) -> web.Response:
    """Delete a file."""
    path = _path(request, request.match_info["file"])
    if not path.is_file():
        not_found(f"There is no file {path.name!r}", "See /userdata?dir=... for those that there are")
    if path.name == SETTINGS_FILE and path.parent == profile_folder(request):
        bad_request("The settings are not deleted here", "Change them through /settings")
    path.unlink()
    return web.Response(status=204)


@describes(query=KeepQuery, answer=(str, FileInfo))
async def move_file(request: web.Request) -> web.Response:
    """Rename a file, or move it to another folder; `overwrite=false` refuses to replace one."""
    source, target = _path(request, request.match_info["file"]), _path(request, request.match_info["dest"])
    if not source.is_file():
        not_found(f"There is no file {source.name!r}", "See /userdata?dir=... for those that there are")
    if target.is_dir():
        bad_request("The new name is that of a folder", "Give the name of a file")
    if not _flag(request, "overwrite", True) and target.exists():
        raise ApiError(409, "file_exists", f"There is a file {target.name} already", "Use overwrite=true to replace it")
    target.parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(shutil.move, source, target)
    return answer(_described(target, profile_folder(request), _flag(request, "full_info")))


ROUTES = (
    web.get("/userdata", list_files),
    web.get("/v2/userdata", list_tree),
    web.post("/userdata/{file:[^/]+}/move/{dest:[^/]+}", move_file),
    web.get("/userdata/{file:.+}", get_file),
    web.post("/userdata/{file:.+}", put_file),
    web.delete("/userdata/{file:.+}", delete_file),
)
