"""`/view`: the files of the output, input and temp folders.

Rules: a name stays below its folder. What a browser would run as a page or a script (HTML, SVG, XML, ...) or does not
know is a download. Previews and single channels are made on the side, in a thread, and only of pictures.
"""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import quote

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from limner.files import MEDIA_FOLDERS, MissingFile, below, media_type, split_annotation

from ..answers import bad_request
from ..describe import describes
from ..drawing import drawn
from ..services import Services, services

INLINE = frozenset({"image", "video", "audio", "model", "font"})
PLAIN = frozenset({"application/json", "text/plain"})
DANGEROUS = frozenset({"image/svg+xml"})
DOWNLOAD = "application/octet-stream"
SANDBOX = "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'"
"""Whatever a file turns out to be, opened as a page it runs nothing and is none of ours."""


class NamedQuery(msgspec.Struct):
    type: Annotated[str, Meta(pattern="^(input|output|temp)$")] = "output"
    preview: Annotated[str | None, Meta(description="webp;90 or jpeg;90: a smaller encoding of a picture.")] = None
    channel: Annotated[str, Meta(pattern="^(rgba|rgb|a)$")] = "rgba"


class ViewQuery(NamedQuery, kw_only=True):
    filename: Annotated[str, Meta(min_length=1)]
    subfolder: str = ""


@describes(query=ViewQuery, media=("*/*",), more=(206,))
async def view(request: web.Request) -> web.StreamResponse:
    """A file by `filename`, `subfolder` and `type` (output, input, temp).

    `preview=webp;90` (or jpeg) gives a smaller encoding of a picture, `channel` its colours (rgb) or alpha (a).
    """
    name = request.query.get("filename", "")
    if not name:
        bad_request("There is no filename", "Give ?filename=name.png&type=output")
    return await _respond(request, name, request.query.get("subfolder", ""), request.query.get("type"))


@describes(query=NamedQuery, media=("*/*",), more=(206,))
async def view_named(request: web.Request) -> web.StreamResponse:
    """A file by its path: `/view/name.png`, `/view/subfolder/name.png`; `type` as above."""
    path = PurePosixPath(request.match_info["filename"])
    folder = "" if str(path.parent) == "." else str(path.parent)
    return await _respond(request, path.name, folder, request.query.get("type"))


async def _respond(request: web.Request, name: str, subfolder: str, folder: str | None) -> web.StreamResponse:
    path = await asyncio.to_thread(find, services(request), name, subfolder, folder)
    preview, channel = request.query.get("preview"), request.query.get("channel", "rgba")
    if channel not in ("rgba", "rgb", "a"):
        bad_request(f"There is no channel {channel!r}", "Use rgba, rgb or a")
    if (preview is not None or channel != "rgba") and media_type(path.name).startswith("image/"):
        from ..pictures import rendered

        body, kind = await drawn(request, rendered, path, preview, channel)
        headers = {hdrs.CONTENT_DISPOSITION: disposition("inline", path.name)}
        return web.Response(body=body, content_type=kind, headers=headers)
    return file_response(path)


def find(served: Services, name: str, subfolder: str = "", folder: str | None = None) -> Path:
    """The file. Raises `FileProblem`, `ApiError` 400."""
    plain, annotated = split_annotation(name)
    if folder and folder not in MEDIA_FOLDERS:
        bad_request(f"There is no folder {folder!r}", f"Use a type of {', '.join(MEDIA_FOLDERS)}")
    root = served.folders.media_folder(annotated or folder or "output")
    path = below(root, f"{subfolder}/{plain}" if subfolder else plain)
    if not path.is_file():
        raise MissingFile(
            f"there is no file {plain!r} in the {annotated or folder or 'output'} folder", "Check its name"
        )
    return path


def file_response(path: Path, attached: bool = False) -> web.FileResponse:
    """A file of the user's, as something that cannot act in our pages' name; `attached`, as a download."""
    kind = media_type(path.name)
    shown = (kind.split("/", 1)[0] in INLINE or kind in PLAIN) and kind not in DANGEROUS
    headers = {
        hdrs.CONTENT_TYPE: kind if shown else DOWNLOAD,
        hdrs.CONTENT_DISPOSITION: disposition("inline" if shown and not attached else "attachment", path.name),
        hdrs.CACHE_CONTROL: "no-cache",
        "Content-Security-Policy": SANDBOX,
    }
    return web.FileResponse(path, headers=headers)


def disposition(kind: str, name: str) -> str:
    """A Content-Disposition header for any file name."""
    plain = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\' else "_" for letter in name
    )
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"


ROUTES = (web.get("/view", view), web.get("/view/{filename:.+}", view_named))
