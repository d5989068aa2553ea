"""`/jobs`: every job with an explicit state, whether it waits, runs, is paused or has ended.

`state` says it in the words of `states`, `status` in those of the editor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, NoReturn

import msgspec
from aiohttp import web
from msgspec import Meta

from limner.comfy.history import PAUSED, PENDING, RUNNING, described_entry, described_job
from limner.queue import Job, State
from limner.runs.entry import SECRETS

from ..answers import ApiError, answer, bad_request, ids, not_found, read_object
from ..describe import describes, read_query
from ..services import Services, services
from ..shapes import Job as JobTold
from ..shapes import JobDetail, JobStand, Pagination
from ..states import AS_EDITOR, ENDED, QUEUED, REQUEUED, STATES, live_state
from ..submission import read_priority

PAGE = 200
LARGEST_PAGE = 1000
LIVE = {State.RUNNING: RUNNING, State.WAITING: PENDING, State.PAUSED: PAUSED}
"""The states of jobs in the queue, as the editor calls them, in the order in which they are listed."""
OF_STATE = {State.RUNNING: {"running"}, State.WAITING: {QUEUED, REQUEUED}, State.PAUSED: {"paused"}}


class JobsQuery(msgspec.Struct):
    status: Annotated[str, Meta(description="States, or the editor's words for them; with commas.")] = ""
    workflow_id: str = ""
    sort_by: Annotated[str, Meta(pattern="^(created_at|execution_duration)$")] | None = None
    sort_order: Annotated[str, Meta(pattern="^(asc|desc)$")] | None = None
    limit: Annotated[int, Meta(ge=1)] = PAGE
    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0


class JobsPage(msgspec.Struct):
    jobs: list[JobTold]
    pagination: Pagination


class Explained(msgspec.Struct):
    """Why each step ran or did not."""

    job_id: str
    counts: dict[str, int]
    steps: list[dict[str, Any]]


class StatusTold(msgspec.Struct):
    """`status` in the editor's words."""

    job_id: str
    status: str


class MoveBody(msgspec.Struct, omit_defaults=True):
    """Right before or right after another job."""

    before: str | None = None
    after: str | None = None


class PriorityBody(msgspec.Struct):
    priority: Annotated[int, Meta(ge=-1000, le=1000)]


class CancelTold(msgspec.Struct):
    job_id: str
    cancelled: bool


class CancelBody(msgspec.Struct):
    job_ids: list[str]


class CancelledJobs(msgspec.Struct):
    cancelled: list[str]


@describes(query=JobsQuery, answer=JobsPage)
async def list_jobs(request: web.Request) -> web.Response:
    """Jobs, those that run first, then those that wait or are paused, then the latest that have ended.

    Query: `status` (states, or the editor's words for them; several with commas), `workflow_id`, `sort_by`
    (created_at, execution_duration), `sort_order` (asc, desc), `limit`, `offset`.
    """
    query = read_query(request, JobsQuery)
    limit, offset = min(query.limit, LARGEST_PAGE), query.offset
    served, states = services(request), _states(query.status)
    plain = not {"sort_by", "sort_order", "workflow_id"}.intersection(request.query)
    if plain and states.issuperset(ENDED):
        total, page = _page(served, states, offset, limit)
    else:
        jobs = _sorted(query, _jobs(served, states))
        chosen = [job for job in jobs if not query.workflow_id or job["workflow_id"] == query.workflow_id]
        total, page = len(chosen), chosen[offset : offset + limit]
    more = offset + len(page) < total
    pages = {"offset": offset, "limit": limit, "total": total, "has_more": more}
    return answer({"jobs": page, "pagination": pages})


def _page(served: Services, states: frozenset[str], offset: int, limit: int) -> tuple[int, list[dict[str, Any]]]:
    """How many jobs there are, and one page of them; nothing but the page is read."""
    live, found = _live(served, states, offset, limit)
    page = [_told(job, state) for job, state in found]
    ended = len(served.history)
    end = ended - max(0, offset - live)
    first = max(0, end - (limit - len(page)))
    if first < end:
        page += [described_entry(entry) for entry in reversed(served.history.entries(end - first, first))]
    return live + ended, page


def _told(job: Job, state: State, detail: bool = False) -> dict[str, Any]:
    return described_job(job, LIVE[state], detail) | {"state": live_state(state, job.place)}


def _live(
    served: Services, states: frozenset[str], offset: int = 0, limit: int | None = None
) -> tuple[int, list[tuple[Job, State]]]:
    """How many jobs run, wait and are paused, and a page of them; one that has ended is not told of twice."""
    total = 0
    page: list[tuple[Job, State]] = []
    for state in LIVE:
        if states.isdisjoint(OF_STATE[state]):
            continue
        room, first = None if limit is None else limit - len(page), max(0, offset - total)
        if state is State.RUNNING or not states.issuperset(OF_STATE[state]):
            chosen = _chosen(served, state, states)
            found, count = chosen[first:][:room], len(chosen)
        else:
            found, count = list(served.queue.jobs(state, None, first, room)), served.queue.count(state)
        total += count
        page += [(job, state) for job in found]
    return total, page


def _chosen(served: Services, state: State, states: frozenset[str]) -> list[Job]:
    """The jobs of one place in the queue that are in one of these states."""
    if state is State.RUNNING:
        return [job for job in served.queue.running() if served.history.get(job.id) is None]
    found = (place for place in served.queue.places(state) if live_state(state, place) in states)
    return [job for place in found if (job := served.queue.find(place.id)) is not None]


def _states(text: str) -> frozenset[str]:
    names = {part.strip() for part in text.split(",") if part.strip()}
    unknown = names.difference(STATES, AS_EDITOR.values())
    if unknown:
        bad_request(f"There is no job state {', '.join(sorted(unknown))}", f"Known are {', '.join(STATES)}")
    chosen = frozenset(state for state in STATES if state in names or AS_EDITOR[state] in names)
    return chosen or frozenset(STATES)


def _jobs(served: Services, states: frozenset[str]) -> list[dict[str, Any]]:
    jobs = [_told(job, state) for job, state in _live(served, states)[1]]
    if states.intersection(ENDED):
        jobs += [described_entry(entry) for entry in reversed(served.history.entries()) if entry.status in states]
    return jobs


def _sorted(query: JobsQuery, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if query.sort_by is None:
        return jobs[::-1] if query.sort_order == "asc" else jobs
    key = _duration if query.sort_by == "execution_duration" else _created
    return sorted(jobs, key=key, reverse=query.sort_order != "asc")


def _created(job: Mapping[str, Any]) -> float:
    return float(job["create_time"])


def _duration(job: Mapping[str, Any]) -> float:
    start, end = job["execution_start_time"], job["execution_end_time"]
    return float(end - start) if start is not None and end is not None else 0.0


@describes(answer=JobDetail)
async def get_job(request: web.Request) -> web.Response:
    """One job with its workflow and outputs; 404 for an unknown one."""
    served, name = services(request), request.match_info["job"]
    entry = served.history.get(name)
    state, job = served.queue.state(name), served.queue.find(name)
    if state is not None and job is not None and not (entry and state is State.RUNNING):
        told = _told(job, state, detail=True)
        extra = {key: value for key, value in job.extra.items() if key not in SECRETS}
        return answer(told | {"workflow": {"prompt": job.prompt, "extra_data": extra}})
    if entry is not None:
        return answer(described_entry(entry, detail=True))
    not_found(f"There is no job {name}", "See /jobs for those that there are")


@describes(answer=Explained)
async def explain_job(request: web.Request) -> web.Response:
    """Why each step of a job ran, was cached or was skipped; known of the latest jobs since the server's start."""
    served, name = services(request), request.match_info["job"]
    waits = served.queue.place(name) is not None
    if not waits and served.history.get(name) is None:
        not_found(f"There is no job {name}", "See /jobs for those that there are")
    reasons = served.machine.explain(name)
    if reasons is None and not waits:
        not_found(
            f"The reasons of the steps of job {name} are not remembered any more",
            "They are kept for the latest jobs, until the server is stopped; run the workflow again",
        )
    reasons = reasons or ()
    counts = Counter(reason.outcome for reason in reasons)
    return answer({"job_id": name, "counts": counts, "steps": [asdict(reason) for reason in reasons]})


@describes(answer=StatusTold)
async def pause_job(request: web.Request) -> web.Response:
    """Stop a running job at its next check, or keep a waiting one, until it is resumed; what it has done is kept."""
    served, name = services(request), request.match_info["job"]
    if not await served.consumer.pause(name) and not _is_paused(served, name):
        _no_live_job(served, name)
    return answer({"job_id": name, "status": PAUSED})


@describes(answer=StatusTold)
async def resume_job(request: web.Request) -> web.Response:
    """Let a paused job go on from where it was, when it is its turn; a job that waits or runs is left as it is."""
    served, name = services(request), request.match_info["job"]
    if not await served.consumer.resume(name):
        if served.queue.state(name) is State.RUNNING:
            return answer({"job_id": name, "status": RUNNING})
        if served.queue.state(name) is not State.WAITING:
            _no_live_job(served, name)
    return answer({"job_id": name, "status": PENDING})


def _is_paused(served: Services, name: str) -> bool:
    return served.queue.state(name) is State.PAUSED


def _no_live_job(served: Services, name: str) -> NoReturn:
    if served.history.get(name) is not None:
        raise ApiError(409, "job_has_ended", f"The job {name} has ended", "Queue its workflow again to run it again")
    not_found(f"There is no job {name}", "See /jobs for those that there are")


@describes(body=MoveBody, answer=JobStand)
async def move_job(request: web.Request) -> web.Response:
    """Put a waiting job right before or after another one: `{"before": id}` or `{"after": id}`.

    It gets the priority of that one.
    """
    served, name, body = services(request), request.match_info["job"], await read_object(request)
    given = [key for key in ("before", "after") if body.get(key) is not None]
    if len(given) != 1 or not isinstance(body[given[0]], str) or body[given[0]] == name:
        bad_request("There is no other job to move it to", 'Send {"before": id} or {"after": id}')
    if not await served.queue.move(name, **{given[0]: body[given[0]]}):
        _not_waiting(served, name, body[given[0]])
    return answer({"job_id": name, **_stand(served, name)})


@describes(body=PriorityBody, answer=JobStand)
async def prioritise_job(request: web.Request) -> web.Response:
    """Give a waiting or paused job another priority: `{"priority": 5}`; higher ones run first."""
    served, name = services(request), request.match_info["job"]
    priority = read_priority(await read_object(request))
    if not await served.queue.prioritise(name, priority):
        _not_waiting(served, name)
    return answer({"job_id": name, **_stand(served, name)})


def _stand(served: Services, name: str) -> dict[str, Any]:
    place = served.queue.place(name)
    return {} if place is None else {"number": place.number, "priority": place.priority}


def _not_waiting(served: Services, *names: str) -> NoReturn:
    for name in names:
        state = served.queue.state(name)
        if state is None:
            _no_live_job(served, name)
        if state is not State.WAITING:
            remedy = "Only jobs that wait have a place in the queue"
            raise ApiError(409, "job_not_waiting", f"The job {name} is {LIVE[state]}", remedy)
    raise ApiError(409, "job_not_waiting", f"The job {names[0]} began meanwhile", "It need not be moved any more")


@describes(answer=CancelTold)
async def cancel_job(request: web.Request) -> web.Response:
    """End a job, whether it waits, is paused or runs: it is `cancelled` then. One that has ended is left as it is."""
    served, name = services(request), request.match_info["job"]
    if not await served.consumer.cancel([name]) and served.history.get(name) is None:
        not_found(f"There is no job {name}", "See /jobs for those that there are")
    return answer({"job_id": name, "cancelled": True})


@describes(body=CancelBody, answer=CancelledJobs)
async def cancel_jobs(request: web.Request) -> web.Response:
    """The same for several: `{"job_ids": [...]}`."""
    body = await read_object(request)
    if "job_ids" not in body:
        bad_request("There are no job_ids", 'Send {"job_ids": [ids]}')
    return answer({"cancelled": list(await services(request).consumer.cancel(ids(body, "job_ids")))})


ROUTES = (
    web.get("/jobs", list_jobs),
    web.post("/jobs/cancel", cancel_jobs),
    web.get("/jobs/{job}", get_job),
    web.get("/jobs/{job}/explain", explain_job),
    web.post("/jobs/{job}/cancel", cancel_job),
    web.post("/jobs/{job}/pause", pause_job),
    web.post("/jobs/{job}/resume", resume_job),
    web.post("/jobs/{job}/move", move_job),
    web.post("/jobs/{job}/priority", prioritise_job),
)
