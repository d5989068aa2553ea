"""`/prompt`: queue a workflow, and how many jobs there are."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from limner.comfy.node_errors import describe_nodes, describe_verdict
from limner.comfy.workflow import as_prompt, is_editor_form, read_prompt
from limner.queue import Job, NewJob

from ..answers import ApiError, answer, bad_request, error_answer, read_object, unicode
from ..services import Services, services
from ..webhooks import KEY, WEBHOOKS, Webhooks, read_webhook

MOST_PRIORITY = 1000


async def get_prompt(request: web.Request) -> web.Response:
    """How many jobs wait or run."""
    return answer({"exec_info": {"queue_remaining": len(services(request).queue)}})


async def post_prompt(request: web.Request) -> web.Response:
    """Queue a workflow in API or editor form; answers its id once it is queued, or what is wrong with it."""
    served = services(request)
    body = await served.packs.on_prompt(await read_object(request))
    return await enqueue(served, body if isinstance(body, dict) else {}, request.app[WEBHOOKS])


async def enqueue(served: Services, body: Mapping[str, Any], webhooks: Webhooks) -> web.Response:
    """Check the workflow of a request and queue it."""
    if body.get("prompt") is None:
        remedy = 'Send {"prompt": {...}} with the workflow in API form'
        return error_answer(400, "no_prompt", "No prompt provided", remedy)
    run = _run_id(served, body)
    webhook = read_webhook(body.get(KEY), served.settings.webhook_hosts)
    prompt = as_prompt(body["prompt"], served.object_info().catalog, served.folders.choices)
    graph = read_prompt(prompt)
    verdict = await served.machine.admit(run, graph, _targets(body))
    if not verdict.ok:
        return answer(describe_verdict(verdict), 400)
    extra = dict(_object(body, "extra_data"))
    if is_editor_form(body["prompt"]):
        extra = {"extra_pnginfo": {"workflow": body["prompt"]}, **extra}
    extra.pop(KEY, None)
    if webhook is not None:
        extra[KEY] = asdict(webhook)
    new = NewJob(
        id=run,
        prompt=prompt,
        targets=tuple(verdict.targets),
        extra=extra,
        client=_client(body.get("client_id") or extra.get("client_id")),
        attachment=verdict,
        priority=read_priority(body),
        marked=KEY in extra,
    )
    job = await _add(served, new, front=bool(body.get("front")), number=_number(body))
    webhooks.follow(job)
    spoiled = describe_nodes(verdict.problems, verdict.graph, verdict.dependents)
    return answer({"prompt_id": job.id, "number": job.number, "node_errors": spoiled})


async def _add(served: Services, new: NewJob, *, front: bool, number: float | None) -> Job:
    try:
        return await served.queue.add(new, front=front, number=number)
    except ValueError as error:
        raise ApiError(409, "duplicate_prompt_id", str(error), "Give another prompt_id, or none") from error


def _run_id(served: Services, body: Mapping[str, Any]) -> str:
    given = body.get("prompt_id")
    if given is None:
        return str(uuid.uuid4())
    if not isinstance(given, str) or not 0 < len(given) <= 200 or not given.isprintable():
        bad_request("prompt_id is not a short text", "Give a UUID, or leave it out")
    if served.history.get(given) is not None:
        raise ApiError(409, "duplicate_prompt_id", f"A run {given} has been already", "Give another prompt_id, or none")
    return given


def _client(given: object) -> str | None:
    if given is not None and not isinstance(given, (str, int)):
        bad_request("client_id is not text", "Give the clientId of your WebSocket, or leave it out")
    return unicode(str(given)) if given else None


def _targets(body: Mapping[str, Any]) -> list[str] | None:
    targets = body.get("partial_execution_targets")
    if targets is None:
        return None
    if not isinstance(targets, list) or not all(isinstance(target, (str, int)) for target in targets):
        bad_request("partial_execution_targets is not a list of node ids", 'Give a list such as ["9"], or leave it out')
    return [str(target) for target in targets]


def _number(body: Mapping[str, Any]) -> float | None:
    number = body.get("number")
    if number is None:
        return None
    try:
        value = float(number)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        bad_request("number is not a number", "Give the place in the queue as a number, or leave it out")
    return value


def read_priority(body: Mapping[str, Any]) -> int:
    """The priority that a request gives a job; 0 where it names none. Raises `ApiError` 400."""
    priority = body.get("priority", 0)
    if not isinstance(priority, int) or isinstance(priority, bool) or abs(priority) > MOST_PRIORITY:
        bad_request("priority is not a whole number", f"Give one from -{MOST_PRIORITY} to {MOST_PRIORITY}; 0 is usual")
    return priority


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        bad_request(f"{name} is not an object", "Send an object, or leave it out")
    return value


ROUTES = (web.get("/prompt", get_prompt), web.post("/prompt", post_prompt))
