"""`/internal`: what only the editor asks for."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import msgspec
from aiohttp import web

from limner.files import MEDIA_FOLDERS

from ..answers import answer, bad_request, read_object
from ..describe import describes
from ..services import services
from ..shapes import Nothing
from ..socket import SOCKETS


class LogEntry(msgspec.Struct):
    t: str
    m: str


class Terminal(msgspec.Struct):
    cols: int
    rows: int


class RawLogs(msgspec.Struct):
    entries: list[LogEntry]
    size: Terminal


class FollowBody(msgspec.Struct):
    clientId: str
    enabled: bool = False


@describes(answer=str)
async def logs(request: web.Request) -> web.Response:
    """The latest log as one text."""
    return answer("".join(f"{line.time} - {line.text}\n" for line in services(request).logs.lines()))


@describes(answer=RawLogs)
async def raw_logs(request: web.Request) -> web.Response:
    """The latest log line by line."""
    entries = [{"t": line.time, "m": f"{line.text}\n"} for line in services(request).logs.lines()]
    size = shutil.get_terminal_size()
    return answer({"entries": entries, "size": {"cols": size.columns, "rows": size.lines}})


@describes(body=FollowBody, answer=Nothing)
async def subscribe_logs(request: web.Request) -> web.Response:
    """Send new log lines to a socket, or stop: `{"clientId": ..., "enabled": true}`."""
    body = await read_object(request)
    client = body.get("clientId")
    if not isinstance(client, str):
        bad_request("There is no clientId", 'Send {"clientId": ..., "enabled": true}')
    request.app[SOCKETS].follow_logs(client, bool(body.get("enabled")))
    return answer({})


@describes(answer=dict[str, list[str]])
async def folder_paths(request: web.Request) -> web.Response:
    """The search paths of every kind of model, and the folders of inputs and outputs."""
    folders = services(request).folders
    paths = {name: [str(path) for path in folder.paths] for name, folder in folders.models.items()}
    more = {name: [str(folders.media_folder(name))] for name in ("input", "output", "temp")}
    return answer(paths | more)


@describes(answer=list[str])
async def files(request: web.Request) -> web.Response:
    """The names of the files in input, output or temp, the latest first."""
    name = request.match_info["folder"]
    if name not in MEDIA_FOLDERS:
        bad_request(f"There is no folder {name!r}", f"Use one of {', '.join(MEDIA_FOLDERS)}")
    folder = services(request).folders.media_folder(name)
    return answer(await asyncio.to_thread(_latest, folder))


def _latest(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = [(entry.stat().st_mtime, entry.name) for entry in entries if entry.is_file()]
    return [name for _, name in sorted(found, reverse=True) if not name.endswith(".part")]


ROUTES = (
    web.get("/internal/logs", logs),
    web.get("/internal/logs/raw", raw_logs),
    web.patch("/internal/logs/subscribe", subscribe_logs),
    web.get("/internal/folder_paths", folder_paths),
    web.get("/internal/files/{folder}", files),
)
