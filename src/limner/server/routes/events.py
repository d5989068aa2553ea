"""`/ws` and `/events`: what happens, over a WebSocket or as server-sent events."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from limner.comfy.frames import Frame
from limner.engine.events import RunFinished

from ..answers import not_found, whole_number
from ..auth import unknown
from ..describe import describes
from ..services import Reader, services
from ..socket import SOCKETS

KEEP_ALIVE = 15.0
"""Seconds after which a silent stream says that it is still there."""
LONGEST_ID = 18
"""Digits of a Last-Event-ID that can be one of ours."""


Since = Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="Replays what is kept above this sequence.")]


class SocketQuery(msgspec.Struct):
    clientId: Annotated[str, Meta(description="Whose runs are heard of; left out: everyone's.")] = ""
    since: Since = None


class EventsQuery(msgspec.Struct):
    prompt_id: Annotated[str | None, Meta(description="Only this run.")] = None
    since: Since = None


class JobEventsQuery(msgspec.Struct):
    since: Since = None


@describes(query=SocketQuery, status=101)
async def websocket(request: web.Request) -> web.WebSocketResponse:
    """Frames of runs and of the queue. Query: `clientId`, `since`."""
    return await request.app[SOCKETS].serve(request)


@describes(query=EventsQuery, media=("text/event-stream",))
async def events(request: web.Request) -> web.StreamResponse:
    """The JSON frames as server-sent events, each with its sequence as id.

    Query: `since` (or the header Last-Event-ID) replays what is kept above that sequence; `prompt_id` keeps one run.
    """
    return await _stream(request, request.query.get("prompt_id"))


@describes(query=JobEventsQuery, media=("text/event-stream",))
async def job_events(request: web.Request) -> web.StreamResponse:
    """One job's frames as server-sent events, from its beginning as far as they are kept, to its end.

    Query: `since` (or the header Last-Event-ID) leaves out those up to that sequence.
    """
    served, run = services(request), request.match_info["job"]
    if served.queue.place(run) is None and served.history.get(run) is None:
        not_found(f"There is no job {run}", "See /jobs for those that there are")
    last = served.bus.last if served.history.get(run) is not None else None
    return await _stream(request, run, begin=served.bus.begin_of(run), ends=True, last=last)


async def _stream(
    request: web.Request, run: str | None, *, begin: int | None = None, ends: bool = False, last: int | None = None
) -> web.StreamResponse:
    """From the sequence that the request names, or `begin`. With `ends`, to the end of the run.

    `last` is the number after which nothing more is told of a run that is over.
    """
    since = whole_number(request, "since")
    latest = request.headers.get("Last-Event-ID", "")
    if since is None and latest.isdecimal() and len(latest) <= LONGEST_ID:
        since = int(latest)
    translator = request.app[SOCKETS].translator
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    await response.write(b"retry: 1000\n\n")
    follows = run if ends and last is None else None
    subscription = services(request).bus.subscribe(since=begin if since is None else since, run=follows)
    watch = asyncio.create_task(_watch(request, subscription))
    try:
        while last is None or subscription.cursor < last:
            try:
                batch = await asyncio.wait_for(anext(subscription), KEEP_ALIVE)
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            chosen = [message for message in batch if run is None or message.run == run]
            for message, frame in translator.batch(chosen):
                await _write(response, frame, message.sequence)
            if ends and any(isinstance(message.body, RunFinished) for message in chosen):
                break
    except (ConnectionError, StopAsyncIteration):
        return response
    finally:
        watch.cancel()
        subscription.close()
    return response


async def _watch(request: web.Request, subscription: Reader) -> None:
    """End the stream when its login or token is worth nothing any more."""
    await unknown(request)
    subscription.close()


async def _write(response: web.StreamResponse, frame: Frame, sequence: int) -> None:
    text = frame.text
    if text is not None:
        kind = json.loads(text)["type"]
        await response.write(f"id: {sequence}\nevent: {kind}\ndata: {text}\n\n".encode())


ROUTES = (web.get("/ws", websocket), web.get("/events", events), web.get("/jobs/{job}/events", job_events))
