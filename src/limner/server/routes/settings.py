"""`/settings`: the editor's settings of a profile.

Fresh profiles begin with a few of ours: the first opening shows the default workflow, not the tour of a catalogue of
models that are not here, and the editor does not ask its makers for news.

They are kept in the library's database. A profile that ComfyUI, or an earlier version, kept in a file is taken over
when it is first asked for; a copy of all settings stays in that file, as packs read it there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

from aiohttp import web

from limner.files import FileProblem, write_atomic

from ..answers import answer, read_json, read_object
from ..describe import describes
from ..endpoints import LIBRARY
from ..profiles import profile_folder
from ..services import services
from ..shapes import Nothing

log = logging.getLogger(__name__)
FILE = "comfy.settings.json"
DEFAULTS: dict[str, Any] = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Notification.ShowVersionUpdates": False,
}


async def read_settings(request: web.Request) -> dict[str, Any]:
    """What the request's profile has set, over our defaults."""
    folder = profile_folder(request)
    preferences, profile = request.app[LIBRARY].preferences, _profile(request, folder)
    found = preferences.read(profile)
    if found is None:
        found = await asyncio.to_thread(_earlier, folder)
        if found:
            await preferences.begin(profile, found)
    return {**DEFAULTS, **found}


def _profile(request: web.Request, folder: Path) -> str:
    return folder.relative_to(services(request).folders.user).as_posix()


def _earlier(folder: Path) -> dict[str, Any]:
    """The settings of a profile that ComfyUI, or an earlier version, kept in a file; a damaged one is logged."""
    path = folder / FILE
    try:
        data = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("the settings file %s cannot be read: %s", path, error)
        return {}
    return data if isinstance(data, dict) else {}


async def _change(request: web.Request, changes: dict[str, Any]) -> None:
    settings, folder = {**await read_settings(request), **changes}, profile_folder(request)
    await request.app[LIBRARY].preferences.change(_profile(request, folder), changes)
    try:
        await asyncio.to_thread(_copy, folder, settings)
    except (OSError, FileProblem) as error:
        log.warning("packs do not see the latest settings: %s", error)


def _copy(folder: Path, settings: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / FILE, json.dumps(settings, indent=4).encode())


@describes(answer=dict[str, Any])
async def get_settings(request: web.Request) -> web.Response:
    """All settings."""
    return answer(await read_settings(request))


@describes(answer=Any)
async def get_setting(request: web.Request) -> web.Response:
    """One setting; null where it was never set."""
    return answer((await read_settings(request)).get(request.match_info["name"]))


@describes(body=dict[str, Any], answer=Nothing)
async def post_settings(request: web.Request) -> web.Response:
    """Change several settings; the others stay."""
    await _change(request, await read_object(request))
    return answer({})


@describes(body=Any, answer=Nothing)
async def post_setting(request: web.Request) -> web.Response:
    """Change one setting."""
    await _change(request, {request.match_info["name"]: await read_json(request)})
    return answer({})


ROUTES = (
    web.get("/settings", get_settings),
    web.post("/settings", post_settings),
    web.get("/settings/{name}", get_setting),
    web.post("/settings/{name}", post_setting),
)
