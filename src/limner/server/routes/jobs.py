"""`/jobs`: every job with an explicit state, whether it waits, runs, is paused or has ended.

`state` says it in the words of `states`, `status` in those of the editor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from aiohttp import web

from limner.comfy.history import PAUSED, PENDING, RUNNING, described_entry, described_job
from limner.queue import Job, State
from limner.runs.entry import SECRETS

from ..answers import ApiError, answer, bad_request, ids, not_found, read_object, whole_number
from ..services import Services, services
from ..states import AS_EDITOR, ENDED, QUEUED, REQUEUED, STATES, live_state
from ..submission import read_priority

PAGE = 200
LARGEST_PAGE = 1000
LIVE = {State.RUNNING: RUNNING, State.WAITING: PENDING, State.PAUSED: PAUSED}
"""The states of jobs in the queue, as the editor calls them, in the order in which they are listed."""
OF_STATE = {State.RUNNING: {"running"}, State.WAITING: {QUEUED, REQUEUED}, State.PAUSED: {"paused"}}
SORTS = {"created_at": "create_time", "execution_duration": "execution_duration"}


async def list_jobs(request: web.Request) -> web.Response:
    """Jobs, those that run first, then those that wait or are paused, then the latest that have ended.

    Query: `status` (states, or the editor's words for them; several with commas), `workflow_id`, `sort_by`
    (created_at, execution_duration), `sort_order` (asc, desc), `limit`, `offset`.
    """
    limit = min(whole_number(request, "limit", low=1) or PAGE, LARGEST_PAGE)
    offset = whole_number(request, "offset") or 0
    served, states = services(request), _states(request)
    plain = not {"sort_by", "sort_order", "workflow_id"}.intersection(request.query)
    if plain and states.issuperset(ENDED):
        total, page = _page(served, states, offset, limit)
    else:
        jobs = _sorted(request, _jobs(served, states))
        workflow = request.query.get("workflow_id")
        chosen = [job for job in jobs if not workflow or job["workflow_id"] == workflow]
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


def _states(request: web.Request) -> frozenset[str]:
    text = request.query.get("status", "")
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


def _sorted(request: web.Request, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by, order = request.query.get("sort_by"), request.query.get("sort_order", "desc")
    if order not in ("asc", "desc"):
        bad_request(f"There is no sort order {order!r}", "Use asc or desc")
    if by is None:
        return jobs if "sort_order" not in request.query or order == "desc" else jobs[::-1]
    if by not in SORTS:
        bad_request(f"Jobs cannot be sorted by {by!r}", f"Use one of {', '.join(SORTS)}")
    key = _duration if by == "execution_duration" else _created
    return sorted(jobs, key=key, reverse=order == "desc")


def _created(job: Mapping[str, Any]) -> float:
    return float(job["create_time"])


def _duration(job: Mapping[str, Any]) -> float:
    start, end = job["execution_start_time"], job["execution_end_time"]
    return float(end - start) if start is not None and end is not None else 0.0


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


async def pause_job(request: web.Request) -> web.Response:
    """Stop a running job at its next check, or keep a waiting one, until it is resumed; what it has done is kept."""
    served, name = services(request), request.match_info["job"]
    if not await served.consumer.pause(name) and not _is_paused(served, name):
        _no_live_job(served, name)
    return answer({"job_id": name, "status": PAUSED})


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


async def cancel_job(request: web.Request) -> web.Response:
    """Take a waiting job out of the queue, or stop a running one; one that has ended is left as it is."""
    served, name = services(request), request.match_info["job"]
    if not await _cancel(served, [name]) and served.history.get(name) is None:
        not_found(f"There is no job {name}", "See /jobs for those that there are")
    return answer({"job_id": name, "cancelled": True})


async def cancel_jobs(request: web.Request) -> web.Response:
    """The same for several: `{"job_ids": [...]}`."""
    body = await read_object(request)
    if "job_ids" not in body:
        bad_request("There are no job_ids", 'Send {"job_ids": [ids]}')
    return answer({"cancelled": await _cancel(services(request), ids(body, "job_ids"))})


async def _cancel(served: Services, names: list[str]) -> list[str]:
    cancelled = list(await served.queue.delete(names))
    for name in names:
        if name not in cancelled and await served.consumer.interrupt(name):
            cancelled.append(name)
    return cancelled


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
