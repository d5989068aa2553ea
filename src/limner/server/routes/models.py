"""`/models`, `/embeddings` and what else is asked about model files; loading and unloading them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import struct
from pathlib import Path
from typing import Annotated, Any

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from limner.files import BadFile, FileProblem, MissingFile, checked, media_kind

from ..answers import answer, bad_request, read_object
from ..assets import HIDDEN_FOLDERS
from ..describe import describes
from ..drawing import drawn
from ..services import Services, services

PREVIEW_SUFFIXES = (".preview", "")
LONGEST_HEADER = 8 * 2**20
NAMES = ("name", "model", "model_name", "filename", "ckpt_name")
"""What clients call the file that they mean."""
"""Bytes of a safetensors header that are read for its metadata."""


class Folder(msgspec.Struct):
    name: str
    folders: list[str]


class ModelFile(msgspec.Struct):
    name: str
    pathIndex: int
    size: int
    modified: float
    created: float


class ModelBody(msgspec.Struct, omit_defaults=True):
    """A file of a model folder."""

    name: str
    folder: str = "checkpoints"


class ModelTold(msgspec.Struct, omit_defaults=True):
    status: str
    folder: str = ""
    name: str = ""


class MetadataQuery(msgspec.Struct):
    filename: Annotated[str, Meta(min_length=1)]


@describes(answer=list[str])
async def list_folders(request: web.Request) -> web.Response:
    """The kinds of models, and `configs` and `custom_nodes`, as ComfyUI lists them."""
    return answer(list(services(request).folders.models))


@describes(answer=list[str])
async def list_models(request: web.Request) -> web.Response:
    """The files of one kind; 404 for a kind that there is not."""
    folders = services(request).folders
    return answer(await asyncio.to_thread(folders.model_files, request.match_info["folder"]))


@describes(answer=list[str])
async def embeddings(request: web.Request) -> web.Response:
    """The names of textual-inversion embeddings, without their endings."""
    names = await asyncio.to_thread(services(request).folders.model_files, "embeddings")
    return answer([os.path.splitext(name)[0] for name in names])


@describes(answer=list[Folder])
async def experiment_folders(request: web.Request) -> web.Response:
    """The kinds of models, each with its search paths."""
    models = services(request).folders.models
    return answer(
        [
            {"name": name, "folders": [str(path) for path in folder.paths]}
            for name, folder in models.items()
            if name not in HIDDEN_FOLDERS
        ]
    )


@describes(answer=list[ModelFile])
async def experiment_models(request: web.Request) -> web.Response:
    """The files of one kind, each with the search path that it is in, its size and times."""
    served, kind = services(request), request.match_info["folder"]
    return answer(await asyncio.to_thread(_files, served, kind))


def _files(served: Services, kind: str) -> list[dict[str, Any]]:
    folder = served.folders.model_folder(kind)
    found: list[dict[str, Any]] = []
    for name in served.folders.model_files(kind):
        for index, root in enumerate(folder.paths):
            try:
                status = (root / name).stat()
            except OSError:
                continue
            times = {"modified": status.st_mtime, "created": status.st_ctime}
            found.append({"name": name, "pathIndex": index, "size": status.st_size, **times})
            break
    return found


@describes(media=("image/webp",))
async def preview(request: web.Request) -> web.Response:
    """The picture beside a model file (`name.preview.png`, `name.png`, ...), or the cover in it; as WebP."""
    matched = request.match_info
    place = matched["folder"], int(matched["index"]), matched["filename"]
    body = await drawn(request, _preview, services(request), *place)
    return web.Response(body=body, content_type="image/webp", headers={hdrs.CACHE_CONTROL: "no-cache"})


def _preview(served: Services, kind: str, index: int, name: str) -> bytes:
    from ..pictures import as_type

    paths = served.folders.model_folder(kind).paths
    if index >= len(paths):
        raise MissingFile(f"there is no search path {index} for {kind}", f"There are {len(paths)}")
    model = paths[index] / checked(name)
    for middle in PREVIEW_SUFFIXES:
        for candidate in sorted(model.parent.glob(f"{_escaped(model.stem + middle)}.*")):
            if media_kind(candidate.name) == "image" and candidate.is_file():
                return as_type(candidate, "image/webp")
    cover = _cover(model)
    if cover is not None:
        return as_type(io.BytesIO(cover), "image/webp")
    raise MissingFile(f"there is no preview of {name!r}", f"Put {model.stem}.preview.png beside it")


def _cover(model: Path) -> bytes | None:
    """The first of the pictures that trainers put into a file's metadata, in base64."""
    try:
        covers = json.loads(_metadata(model)["ssmd_cover_images"])
        return base64.b64decode(covers[0], validate=True)
    except (FileProblem, OSError, ValueError, LookupError, TypeError):
        return None


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


@describes(query=MetadataQuery, answer=dict[str, Any])
async def view_metadata(request: web.Request) -> web.Response:
    """The metadata in the header of a `.safetensors` file."""
    name = request.query.get("filename", "")
    if not name:
        bad_request("There is no filename", "Give ?filename=name.safetensors")
    path = await asyncio.to_thread(services(request).folders.resolve, request.match_info["folder"], name)
    return answer(await asyncio.to_thread(_metadata, path))


def _metadata(path: Path) -> Any:
    if path.suffix != ".safetensors":
        raise MissingFile(f"{path.name} has no metadata", "Only .safetensors files have some")
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LONGEST_HEADER:
                raise BadFile(f"{path.name} has a header of {length} bytes", "The file is damaged: get it again")
            metadata = json.loads(file.read(length)).get("__metadata__")
    except (OSError, struct.error, ValueError, AttributeError, RecursionError):
        raise BadFile(f"{path.name} is not a safetensors file", "The file is damaged: get it again") from None
    if metadata is None:
        raise MissingFile(f"{path.name} has no metadata", "Not every model file has some")
    return metadata


@describes(body=ModelBody, answer=ModelTold)
async def load(request: web.Request) -> web.Response:
    """Load a model file ahead of its use: `{"name": ..., "folder": "checkpoints"}`."""
    body = await read_object(request)
    kind, name = _named(body)
    served = services(request)
    await asyncio.to_thread(served.folders.resolve, kind, name)
    await served.machine.load_model(kind, name)
    return answer({"status": "loaded", "folder": kind, "name": name})


@describes(body=ModelBody, answer=ModelTold, loose=True)
async def unload(request: web.Request) -> web.Response:
    """Unload the models that no run uses. A `name` is checked, and all are unloaded: they load again when needed."""
    body = await read_object(request, empty=True)
    served = services(request)
    told: dict[str, Any] = {"status": "unloaded"}
    if any(key in body for key in NAMES):
        kind, name = _named(body)
        await asyncio.to_thread(served.folders.resolve, kind, name)
        told |= {"folder": kind, "name": name}
    await served.machine.free(models=True, cache=False)
    return answer(told)


def _named(body: dict[str, Any]) -> tuple[str, str]:
    """The folder and the file that a request means; clients say it in several ways."""
    name = next((body[key] for key in NAMES if key in body), None)
    kind = next((body[key] for key in ("folder", "type", "model_type", "kind") if key in body), "checkpoints")
    if not isinstance(name, str) or not name or not isinstance(kind, str):
        bad_request("There is no model named", 'Send {"name": "file.safetensors", "folder": "checkpoints"}')
    return kind, name


ROUTES = (
    web.get("/models", list_folders),
    web.post("/models/load", load),
    web.post("/models/unload", unload),
    web.get("/models/{folder}", list_models),
    web.get("/embeddings", embeddings),
    web.get("/experiment/models", experiment_folders),
    web.get("/experiment/models/preview/{folder}/{index:\\d{1,4}}/{filename:.+}", preview),
    web.get("/experiment/models/{folder}", experiment_models),
    web.get("/view_metadata/{folder}", view_metadata),
)
