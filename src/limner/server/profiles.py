"""User profiles: whose settings and files a request is about.

Who is logged in has an own profile, below `profiles`. Without logins, profiles are names alone: with one user,
everything is in the profile `default`; with several, the header `comfy-user` names the profile.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from pathlib import Path

from aiohttp import web

from limner.files import write_atomic

from .answers import ApiError
from .auth import identity
from .services import Services, services

log = logging.getLogger(__name__)
DEFAULT = "default"
OF_LOGINS = "profiles"
USERS_FILE = "users.json"
LONGEST_NAME = 100


def users(served: Services) -> dict[str, str]:
    """Profile id -> the user's name."""
    path = served.folders.user / USERS_FILE
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s cannot be read: %s", path, error)
        return {}
    return {str(key): str(name) for key, name in data.items()} if isinstance(data, dict) else {}


def add_user(served: Services, name: str) -> str:
    """A new profile; returns its id. Raises `ApiError`."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise ApiError(400, "bad_request", "The user's name is empty or too long", "Give a shorter one")
    known = users(served)
    if name in known.values():
        raise ApiError(400, "duplicate_user", f"There is a user called {name} already", "Choose another name")
    profile = f"{re.sub('[^a-zA-Z0-9-_]+', '-', name)}_{uuid.uuid4()}"
    served.folders.user.mkdir(parents=True, exist_ok=True)
    write_atomic(served.folders.user / USERS_FILE, json.dumps({**known, profile: name}).encode())
    return profile


def profile_folder(request: web.Request) -> Path:
    """The folder of the request's profile; it need not exist. Raises `ApiError` 401 for an unknown one."""
    served = services(request)
    if identity(request).user:
        return served.folders.user / OF_LOGINS / identity(request).user
    profile = request.headers.get("comfy-user", DEFAULT) if served.settings.multi_user else DEFAULT
    if served.settings.multi_user and profile not in users(served):
        raise ApiError(401, "unknown_user", f"There is no user {profile!r}", "Choose a user first")
    return served.folders.user / profile
