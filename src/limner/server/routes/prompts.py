"""`/prompt`: queue a workflow, and how many jobs there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from ..answers import answer, error_answer, read_object
from ..describe import describes
from ..services import Services, services
from ..submission import plain, prepared, queued, read_options, spoiled


class ExecInfo(msgspec.Struct):
    queue_remaining: int


class Remaining(msgspec.Struct):
    """How many jobs wait or run."""

    exec_info: ExecInfo


class WebhookSaid(msgspec.Struct, omit_defaults=True):
    """Where a job's events are posted to. `events` are types of frames; `secret` signs the requests."""

    url: str
    events: list[str] | None = None
    secret: str | None = None


class PromptBody(msgspec.Struct, omit_defaults=True):
    """A workflow to queue, in API form (nodes by id) or as the editor saves it."""

    prompt: dict[str, Any]
    prompt_id: str | None = None
    client_id: str | None = None
    """The `clientId` of the WebSocket that hears of it."""
    extra_data: dict[str, Any] | None = None
    partial_execution_targets: list[str] | None = None
    """Run only these output nodes."""
    front: bool | None = None
    number: float | None = None
    priority: int = 0
    webhook: WebhookSaid | str | None = None


class Queued(msgspec.Struct):
    """A job that is queued; `node_errors` are those of nodes that it does without."""

    prompt_id: str
    number: float
    node_errors: dict[str, Any]


@describes(answer=Remaining)
async def get_prompt(request: web.Request) -> web.Response:
    """How many jobs wait or run."""
    return answer(Remaining(ExecInfo(len(services(request).queue))))


@describes(body=PromptBody, answer=Queued)
async def post_prompt(request: web.Request) -> web.Response:
    """Queue a workflow in API or editor form; answers its id once it is queued, or what is wrong with it."""
    served = services(request)
    body = await served.packs.on_prompt(await read_object(request))
    return await enqueue(request, served, body if isinstance(body, dict) else {})


async def enqueue(request: web.Request, served: Services, body: Mapping[str, Any]) -> web.Response:
    """Check the workflow of a request and queue it."""
    if body.get("prompt") is None:
        remedy = 'Send {"prompt": {...}} with the workflow in API form'
        return error_answer(400, "no_prompt", "No prompt provided", remedy)
    options = read_options(served, body)
    new = await prepared(served, body["prompt"], options)
    job = await queued(request.app, served, new, options)
    return answer({"prompt_id": job.id, "number": plain(job.number), "node_errors": spoiled(new)})


ROUTES = (web.get("/prompt", get_prompt), web.post("/prompt", post_prompt))
