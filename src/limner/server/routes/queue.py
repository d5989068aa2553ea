"""`/queue`: what waits and runs, as ComfyUI lists it, and taking jobs out of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from limner.comfy.history import job_list
from limner.queue import Job
from limner.runs.entry import SECRETS

from ..answers import answer, bad_request, ids, read_object
from ..services import services
from ..webhooks import WEBHOOKS
from .prompts import enqueue


def described(job: Job) -> list[Any]:
    """A job as ComfyUI lists it, without its secrets."""
    extra = {key: value for key, value in job.extra.items() if key not in SECRETS}
    return job_list(job.number, job.id, replace(job, extra=extra))


async def get_queue(request: web.Request) -> web.Response:
    """The jobs that run and that wait; those that are paused stand behind."""
    queue = services(request).queue
    return answer(
        {
            "queue_running": [described(job) for job in queue.running()],
            "queue_pending": [described(job) for job in (*queue.waiting(), *queue.paused())],
        }
    )


async def post_queue(request: web.Request) -> web.Response:
    """Clear the queue, delete jobs from it, or, with a `prompt`, add one."""
    body = await read_object(request)
    served = services(request)
    if "prompt" in body:
        return await enqueue(served, body, request.app[WEBHOOKS])
    removed: list[str] = []
    if body.get("clear"):
        removed += await served.queue.clear()
    if "delete" in body:
        removed += await served.queue.delete(ids(body, "delete"))
    if "clear" not in body and "delete" not in body:
        bad_request("There is nothing to do", 'Send {"clear": true}, {"delete": [ids]} or {"prompt": {...}}')
    return answer({"deleted": removed})


async def clear_queue(request: web.Request) -> web.Response:
    """Take out every job that waits."""
    return answer({"deleted": list(await services(request).queue.clear())})


ROUTES = (
    web.get("/queue", get_queue),
    web.post("/queue", post_queue),
    web.post("/queue/clear", clear_queue),
)
