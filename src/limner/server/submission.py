"""How a workflow becomes a job: what a request says beside it is read, it is checked, and it is queued.

Everything that queues does it here: `/prompt`, endpoints of kept workflows, batches. Whoever wants to hear of a job
from its beginning subscribes to the bus before it is queued.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from limner.comfy.node_errors import describe_nodes, describe_verdict
from limner.comfy.object_info import encode
from limner.comfy.workflow import as_prompt, is_editor_form, read_prompt
from limner.graph.validate import Verdict
from limner.queue import Job, NewJob

from .answers import ApiError, bad_request, unicode
from .describe import JSON
from .services import Services
from .socket import SOCKETS
from .webhooks import KEY, SECRET_KEY, WEBHOOKS, Webhook, read_webhook

MOST_PRIORITY = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """What is said of a job beside its workflow. `targets`: run only these output nodes; None for all."""

    run: str
    client: str | None = None
    priority: int = 0
    front: bool = False
    number: float | None = None
    targets: list[str] | None = None
    webhook: Webhook | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_options(served: Services, body: Mapping[str, Any]) -> Options:
    """From a request's body. Raises `ApiError`."""
    extra = _object(body, "extra_data")
    return Options(
        run=_run_id(served, body),
        client=_client(body.get("client_id") or extra.get("client_id")),
        priority=read_priority(body),
        front=bool(body.get("front")),
        number=_number(body),
        targets=_targets(body),
        webhook=read_webhook(
            body.get(KEY), served.settings.webhook_hosts, loopback=served.settings.webhooks_to_this_machine
        ),
        extra=extra,
    )


async def prepared(served: Services, workflow: object, options: Options) -> NewJob:
    """The job for a workflow of either form, which passes every check. Raises `InvalidGraph`, and 400 with all that
    is wrong with its nodes.
    """
    prompt = as_prompt(workflow, served.object_info().catalog, served.folders.choices)
    verdict = await served.machine.admit(options.run, read_prompt(prompt), options.targets)
    if not verdict.ok:
        raise refused(verdict)
    extra = {key: value for key, value in options.extra.items() if key not in (KEY, SECRET_KEY)}
    if is_editor_form(workflow):
        extra = {"extra_pnginfo": {"workflow": workflow}, **extra}
    if options.webhook is not None:
        extra |= options.webhook.kept()
    return NewJob(
        id=options.run,
        prompt=prompt,
        targets=tuple(verdict.targets),
        extra=extra,
        client=options.client,
        attachment=verdict,
        priority=options.priority,
        marked=options.webhook is not None,
    )


async def queued(app: web.Application, served: Services, new: NewJob, options: Options) -> Job:
    """Queue it; its webhook, and a socket that its client opens later, are told of everything from its beginning.

    Raises `ApiError`.
    """
    since = served.bus.last
    if new.client is not None:
        app[SOCKETS].expect(new.client, since)
    try:
        job = await served.queue.add(new, front=options.front, number=options.number)
    except ValueError as error:
        raise ApiError(409, "duplicate_prompt_id", str(error), "Give another prompt_id, or none") from error
    if job.client is not None:
        app[SOCKETS].answered(job.id)
    app[WEBHOOKS].follow(job, since)
    return job


def refused(verdict: Verdict) -> web.HTTPBadRequest:
    """The answer to a workflow that may not run."""
    return web.HTTPBadRequest(text=encode(describe_verdict(verdict)).decode(), content_type=JSON)


def spoiled(new: NewJob) -> dict[str, Any]:
    """What is wrong with nodes that the job's targets do without."""
    verdict = new.attachment
    if not isinstance(verdict, Verdict):
        return {}
    return dict(describe_nodes(verdict.problems, verdict.graph, verdict.dependents))


def read_priority(body: Mapping[str, Any]) -> int:
    """The priority that a request gives a job; 0 where it names none. Raises `ApiError` 400."""
    priority = body.get("priority", 0)
    if not isinstance(priority, int) or isinstance(priority, bool) or abs(priority) > MOST_PRIORITY:
        bad_request("priority is not a whole number", f"Give one from -{MOST_PRIORITY} to {MOST_PRIORITY}; 0 is usual")
    return priority


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


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        bad_request(f"{name} is not an object", "Send an object, or leave it out")
    return value


def plain(number: float) -> float | int:
    """A number as JSON writes it: whole ones without a point, as ComfyUI does."""
    return int(number) if math.isfinite(number) and number == int(number) else number
