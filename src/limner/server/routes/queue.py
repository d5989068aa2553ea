"""`/queue`: what waits and runs, as ComfyUI lists it, taking jobs out of it, and pausing it as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from limner.comfy.history import job_list
from limner.queue import Job, JobQueue, State
from limner.runs.entry import SECRETS

from ..answers import answer, bad_request, ids, read_object
from ..describe import describes, read_query
from ..services import services
from ..shapes import JobRow, Pagination
from .prompts import Queued, enqueue


class QueueQuery(msgspec.Struct):
    limit: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="A page of those that wait.")] = None
    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0


class QueueTold(msgspec.Struct, omit_defaults=True):
    """Jobs as ComfyUI lists them: number, id, prompt, extra data, output nodes. `paused`: none are taken."""

    queue_running: list[JobRow]
    queue_pending: list[JobRow]
    paused: bool
    pagination: Pagination | None = None


class QueueBody(msgspec.Struct, omit_defaults=True):
    """What is to be done: clear the queue, delete jobs, or add one (`prompt`, and what else `POST /prompt` takes)."""

    clear: bool = False
    delete: list[str] | None = None
    prompt: dict[str, Any] | None = None


class DeletedJobs(msgspec.Struct):
    deleted: list[str]


class Held(msgspec.Struct):
    paused: bool


def described(job: Job) -> list[Any]:
    """A job as ComfyUI lists it, without its secrets."""
    extra = {key: value for key, value in job.extra.items() if key not in SECRETS}
    return job_list(job.number, job.id, replace(job, extra=extra))


@describes(query=QueueQuery, answer=QueueTold)
async def get_queue(request: web.Request) -> web.Response:
    """The jobs that run and that wait; those that are paused stand behind. `paused`: whether none is taken.

    `limit` and `offset` give a page of those that wait or are paused.
    """
    queue, query = services(request).queue, read_query(request, QueueQuery)
    limit, offset, total = query.limit, query.offset, queue.count(State.WAITING) + queue.count(State.PAUSED)
    page = _page(queue, offset, total if limit is None else limit)
    told: dict[str, Any] = {
        "queue_running": [described(job) for job in queue.running()],
        "queue_pending": [described(job) for job in page],
        "paused": queue.held,
    }
    if limit is not None or offset:
        more = offset + len(page) < total
        told["pagination"] = {"offset": offset, "limit": limit, "total": total, "has_more": more}
    return answer(told)


def _page(queue: JobQueue, offset: int, limit: int) -> list[Job]:
    """Jobs that wait and, behind them, those that are paused."""
    waiting = queue.count(State.WAITING)
    page = [*queue.jobs(State.WAITING, None, offset, limit)]
    return [*page, *queue.jobs(State.PAUSED, None, max(0, offset - waiting), limit - len(page))]


@describes(body=QueueBody, answer=(DeletedJobs, Queued))
async def post_queue(request: web.Request) -> web.Response:
    """Clear the queue, delete jobs from it, or, with a `prompt`, add one.

    What is taken out here is forgotten, as in ComfyUI; `POST /jobs/{job}/cancel` leaves it in the history.
    """
    body = await read_object(request)
    served = services(request)
    if "prompt" in body:
        return await enqueue(request, served, body)
    removed: list[str] = []
    if body.get("clear"):
        removed += await served.queue.clear()
    if "delete" in body:
        removed += await served.queue.delete(ids(body, "delete"))
    served.consumer.gone(removed)
    if "clear" not in body and "delete" not in body:
        bad_request("There is nothing to do", 'Send {"clear": true}, {"delete": [ids]} or {"prompt": {...}}')
    return answer({"deleted": removed})


@describes(answer=DeletedJobs)
async def clear_queue(request: web.Request) -> web.Response:
    """Take out every job that waits."""
    served = services(request)
    removed = list(await served.queue.clear())
    served.consumer.gone(removed)
    return answer({"deleted": removed})


@describes(answer=Held)
async def pause_queue(request: web.Request) -> web.Response:
    """Take no more jobs, also after a restart; those that run go on. Jobs can be queued all the while."""
    await services(request).queue.hold()
    return answer({"paused": True})


@describes(answer=Held)
async def resume_queue(request: web.Request) -> web.Response:
    """Take jobs again."""
    await services(request).queue.let_go()
    return answer({"paused": False})


ROUTES = (
    web.get("/queue", get_queue),
    web.post("/queue", post_queue),
    web.post("/queue/clear", clear_queue),
    web.post("/queue/pause", pause_queue),
    web.post("/queue/resume", resume_queue),
)
