"""`/history`: the runs that have ended, and forgetting them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from limner.comfy.history import history_entry

from ..answers import answer, bad_request, ids, not_found, read_object
from ..describe import describes, read_query
from ..services import services
from ..shapes import HistoryEntry, Nothing


class HistoryQuery(msgspec.Struct):
    max_items: Annotated[int, Meta(ge=0)] | None = None
    offset: Annotated[int, Meta(ge=-1, le=2**53)] | None = None


class HistoryBody(msgspec.Struct, omit_defaults=True):
    """Forget all runs, or those of these ids."""

    clear: bool = False
    delete: list[str] | None = None


@describes(query=HistoryQuery, answer=dict[str, HistoryEntry])
async def list_history(request: web.Request) -> web.Response:
    """Finished runs by id, oldest first; `max_items` alone gives the latest ones, `offset` where to begin."""
    query = read_query(request, HistoryQuery)
    entries = services(request).history.entries(query.max_items, query.offset)
    return answer({entry.id: history_entry(entry) for entry in entries})


@describes(answer=dict[str, HistoryEntry])
async def get_history(request: web.Request) -> web.Response:
    """One finished run by its id; an empty object while it waits or runs, as pollers rely on it; else 404."""
    served, run = services(request), request.match_info["run"]
    entry = served.history.get(run)
    if entry is None and served.queue.place(run) is None:
        not_found(f"There is no run {run}", "See /history for those that there are")
    return answer({entry.id: history_entry(entry)} if entry else {})


@describes(body=HistoryBody, answer=Nothing)
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
