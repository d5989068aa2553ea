"""`/interrupt` and `/free`: stop what runs, and give memory back."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ..answers import answer, bad_request, read_object
from ..describe import describes
from ..services import services
from ..shapes import Nothing


class InterruptBody(msgspec.Struct, omit_defaults=True):
    prompt_id: str | None = None


class FreeBody(msgspec.Struct):
    unload_models: bool = False
    free_memory: bool = False


@describes(body=InterruptBody, answer=Nothing, loose=True)
async def interrupt(request: web.Request) -> web.Response:
    """Stop the run `prompt_id`, or whatever runs; one that does not run is left alone."""
    body = await read_object(request, empty=True)
    run = body.get("prompt_id")
    if run is not None and not isinstance(run, str):
        bad_request("prompt_id is not text", "Give the id of the run, or leave it out to stop whatever runs")
    await services(request).consumer.interrupt(run)
    return answer({})


@describes(body=FreeBody, answer=Nothing, loose=True)
async def free(request: web.Request) -> web.Response:
    """`unload_models`: unload what no run uses; `free_memory`: forget cached results too."""
    body = await read_object(request, empty=True)
    await services(request).machine.free(models=bool(body.get("unload_models")), cache=bool(body.get("free_memory")))
    return answer({})


ROUTES = (web.post("/interrupt", interrupt), web.post("/free", free))
