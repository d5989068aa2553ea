"""`/upload/image` and `/upload/mask`: files into the input folder (or output, temp).

Rules: an upload never replaces another file unless it says `overwrite`; the same bytes under the same name are not
kept twice. A file appears whole or not at all.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path, PurePath
from typing import Annotated, Any

import msgspec
from aiohttp import web
from aiohttp.web_request import FileField
from msgspec import Meta
from multidict import MultiDictProxy

from limner.files import MEDIA_FOLDERS, below, write_atomic, write_new

from ..answers import answer, bad_request, read_form
from ..describe import describes
from ..drawing import drawn
from ..services import Services, services
from .view import find

LONGEST_NAME = 200
MOST_COPIES = 10_000


class Kept(msgspec.Struct):
    """The name that the file was kept under."""

    name: str
    subfolder: str
    type: str


class UploadForm(msgspec.Struct):
    image: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    type: Annotated[str, Meta(pattern="^(input|output|temp)$")] = "input"
    subfolder: str = ""
    overwrite: str = ""


class MaskForm(UploadForm, kw_only=True):
    original_ref: Annotated[str, Meta(description='JSON: {"filename", "subfolder", "type"} of the picture.')]


@describes(form=UploadForm, answer=Kept)
async def upload_image(request: web.Request) -> web.Response:
    """A file `image`, with `subfolder`, `type` and `overwrite`; answers the name that it was kept under."""
    form = await _form(request)
    name, data = await _file(form)
    from ..pictures import check_size

    await asyncio.to_thread(check_size, data, name)
    return await _keep(services(request), form, name, data)


@describes(form=MaskForm, answer=Kept)
async def upload_mask(request: web.Request) -> web.Response:
    """A mask `image` for the picture that `original_ref` names, which is kept anew with the mask as its alpha."""
    form = await _form(request)
    name, data = await _file(form)
    served = services(request)
    original = await asyncio.to_thread(_original, served, form)
    from ..pictures import masked

    return await _keep(served, form, name, await drawn(request, masked, original, data))


async def _form(request: web.Request) -> MultiDictProxy[Any]:
    if not request.content_type.startswith("multipart/"):
        bad_request("The upload is not multipart/form-data", "Send the file as the form field `image`")
    return await read_form(request, "Send the file as the form field `image`")


async def keep_file(served: Services, name: str, data: bytes) -> str:
    """Keep a file that a client has sent in the input folder; answers the name that it was kept under."""
    from ..pictures import check_size

    name = _plain_name(name)
    await asyncio.to_thread(check_size, data, name)
    return await asyncio.to_thread(_write, served, "input", "", name, data, False)


async def _file(form: MultiDictProxy[Any]) -> tuple[str, bytes]:
    field = form.get("image")
    if not isinstance(field, FileField) or not field.filename:
        bad_request("There is no file in the field `image`", "Send the file as the form field `image`, with its name")
    return _plain_name(field.filename), await asyncio.to_thread(field.file.read)


def _plain_name(given: str) -> str:
    """A client's name of a file, without folders. Raises `ApiError` 400."""
    path = PurePath(given.replace("\\", "/"))
    if ".." in path.parts:
        bad_request(f"The file name {given!r} leads out of its folder", "Send the name alone: picture.png")
    if not path.name or len(path.name.encode()) > LONGEST_NAME:
        bad_request("The file's name is empty or too long", f"Use at most {LONGEST_NAME} bytes")
    return path.name


def _text(form: MultiDictProxy[Any], name: str, default: str = "") -> str:
    value = form.get(name, default)
    return value if isinstance(value, str) else default


async def _keep(served: Services, form: MultiDictProxy[Any], name: str, data: bytes) -> web.Response:
    folder = _text(form, "type", "input") or "input"
    if folder not in MEDIA_FOLDERS:
        bad_request(f"There is no folder {folder!r}", f"Use a type of {', '.join(MEDIA_FOLDERS)}")
    subfolder = _text(form, "subfolder").replace("\\", "/").rstrip("/")
    overwrite = _text(form, "overwrite").lower() in ("true", "1")
    kept = await asyncio.to_thread(_write, served, folder, subfolder, name, data, overwrite)
    return answer({"name": kept, "subfolder": subfolder, "type": folder})


def _write(served: Services, folder: str, subfolder: str, name: str, data: bytes, overwrite: bool) -> str:
    root = served.folders.media_folder(folder)
    target = below(root, f"{subfolder}/{name}" if subfolder else name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        if target.is_dir():
            bad_request(f"{name} is the name of a folder", "Give the file another name")
        write_atomic(target, data)
        return name
    for copy in range(MOST_COPIES):
        path = target if copy == 0 else target.with_name(f"{target.stem} ({copy}){target.suffix}")
        if write_new(path, data) or _same(path, data):
            return path.name
    bad_request(f"There are too many files called {name}", "Give the file another name")


def _same(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _original(served: Services, form: MultiDictProxy[Any]) -> Path:
    try:
        reference = json.loads(_text(form, "original_ref"))
    except ValueError:
        reference = None
    if not isinstance(reference, dict) or not isinstance(reference.get("filename"), str):
        bad_request("original_ref does not name a picture", 'Send {"filename": ..., "subfolder": ..., "type": ...}')
    folder = reference.get("type", "output")
    subfolder = reference.get("subfolder") or ""
    if folder not in MEDIA_FOLDERS or not isinstance(subfolder, str):
        bad_request("original_ref names no folder of ours", f"Use a type of {', '.join(MEDIA_FOLDERS)}")
    return find(served, reference["filename"], subfolder, folder)


ROUTES = (web.post("/upload/image", upload_image), web.post("/upload/mask", upload_mask))
