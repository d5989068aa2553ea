"""`/history`: the runs that have ended, and forgetting them."""

from __future__ import annotations

from aiohttp import web

from limner.comfy.history import history_entry

from ..answers import answer, bad_request, ids, read_object, whole_number
from ..services import services


async def list_history(request: web.Request) -> web.Response:
    """Finished runs by id, oldest first; `max_items` alone gives the latest ones, `offset` where to begin."""
    limit, offset = whole_number(request, "max_items"), whole_number(request, "offset", low=-1)
    entries = services(request).history.entries(limit, offset)
    return answer({entry.id: history_entry(entry) for entry in entries})


async def get_history(request: web.Request) -> web.Response:
    """One finished run by its id; an empty object where there is none, as pollers rely on it."""
    entry = services(request).history.get(request.match_info["run"])
    return answer({entry.id: history_entry(entry)} if entry else {})


async def post_history(request: web.Request) -> web.Response:
    """Forget all runs (`clear`) or some (`delete`)."""
    body = await read_object(request)
    history = services(request).history
    if body.get("clear"):
        await history.clear()
    if "delete" in body:
        for run in ids(body, "delete"):
            await history.delete(run)
    if "clear" not in body and "delete" not in body:
        bad_request("There is nothing to do", 'Send {"clear": true} or {"delete": [ids]}')
    return answer({})


ROUTES = (
    web.get("/history", list_history),
    web.get("/history/{run}", get_history),
    web.post("/history", post_history),
)
