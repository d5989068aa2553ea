"""`/users`: the profiles."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ..answers import answer, bad_request, read_object
from ..describe import describes
from ..profiles import add_user, profile_folder, users
from ..services import services


class UsersTold(msgspec.Struct, omit_defaults=True):
    """`users` by the ids of their profiles, where there are several; else whether anything is kept yet."""

    storage: str
    users: dict[str, str] | None = None
    migrated: bool | None = None


class UserBody(msgspec.Struct):
    username: str


@describes(answer=UsersTold)
async def get_users(request: web.Request) -> web.Response:
    """Where settings are kept, and with several users, who they are."""
    served = services(request)
    if served.settings.multi_user and served.accounts is None:
        return answer({"storage": "server", "users": users(served)})
    return answer({"storage": "server", "migrated": profile_folder(request).exists()})


@describes(body=UserBody, answer=str)
async def post_users(request: web.Request) -> web.Response:
    """Add a user; answers the id of the profile."""
    body = await read_object(request)
    name = body.get("username")
    if not isinstance(name, str):
        bad_request("There is no username", 'Send {"username": ...}')
    return answer(add_user(services(request), name))


ROUTES = (web.get("/users", get_users), web.post("/users", post_users))
