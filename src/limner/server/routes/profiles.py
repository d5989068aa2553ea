"""`/users`: the profiles."""

from __future__ import annotations

from aiohttp import web

from ..answers import answer, bad_request, read_object
from ..profiles import add_user, profile_folder, users
from ..services import services


async def get_users(request: web.Request) -> web.Response:
    """Where settings are kept, and with several users, who they are."""
    served = services(request)
    if served.settings.multi_user and served.accounts is None:
        return answer({"storage": "server", "users": users(served)})
    return answer({"storage": "server", "migrated": profile_folder(request).exists()})


async def post_users(request: web.Request) -> web.Response:
    """Add a user; answers the id of the profile."""
    body = await read_object(request)
    name = body.get("username")
    if not isinstance(name, str):
        bad_request("There is no username", 'Send {"username": ...}')
    return answer(add_user(services(request), name))


ROUTES = (web.get("/users", get_users), web.post("/users", post_users))
