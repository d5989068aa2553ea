"""`/settings`: the editor's settings of a profile.

Fresh profiles begin with a few of ours: the first opening shows the default workflow, not the tour of a catalogue of
models that are not here, and the editor does not ask its makers for news.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from aiohttp import web

from limner.files import write_atomic

from ..answers import answer, read_json, read_object
from ..profiles import profile_folder

log = logging.getLogger(__name__)
FILE = "comfy.settings.json"
DEFAULTS: dict[str, Any] = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Notification.ShowVersionUpdates": False,
}


def read_settings(folder: Path) -> dict[str, Any]:
    """What the profile has set, over our defaults; a damaged file counts as empty and is logged."""
    path = folder / FILE
    try:
        data = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("the settings file %s cannot be read: %s", path, error)
        data = {}
    return {**DEFAULTS, **data} if isinstance(data, dict) else dict(DEFAULTS)


def _change(folder: Path, changes: dict[str, Any]) -> None:
    settings = {**read_settings(folder), **changes}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / FILE, json.dumps(settings, indent=4).encode())


async def get_settings(request: web.Request) -> web.Response:
    """All settings."""
    return answer(read_settings(profile_folder(request)))


async def get_setting(request: web.Request) -> web.Response:
    """One setting; null where it was never set."""
    return answer(read_settings(profile_folder(request)).get(request.match_info["name"]))


async def post_settings(request: web.Request) -> web.Response:
    """Change several settings; the others stay."""
    changes = await read_object(request)
    _change(profile_folder(request), changes)
    return answer({})


async def post_setting(request: web.Request) -> web.Response:
    """Change one setting."""
    value = await read_json(request)
    _change(profile_folder(request), {request.match_info["name"]: value})
    return answer({})


ROUTES = (
    web.get("/settings", get_settings),
    web.post("/settings", post_settings),
    web.get("/settings/{name}", get_setting),
    web.post("/settings/{name}", post_setting),
)
