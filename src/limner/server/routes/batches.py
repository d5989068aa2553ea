"""`/batches`: one job for each combination of values, with one progress and one list of results.

Rules:

- `grid` gives lists of values and means every combination of them; `rows` gives one combination each; with both, each
  row goes with each combination of the grid. Names are the inputs of a kept `workflow`, or `NODE.INPUT` of a `prompt`.
- Every combination is checked before any is queued. The batch is answered when all of its jobs are on the disk; one
  that could not be queued as a whole leaves nothing behind.
- A batch is its user's, like a job, and outlives the server. How a job ended is remembered with its batch.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from limner.comfy.workflow import as_prompt, read_prompt
from limner.queue import NewJob
from limner.workflows import (
    Batch,
    BatchJob,
    InterfaceProblem,
    Kept,
    Library,
    Port,
    chosen_inputs,
    chosen_outputs,
    combinations,
    count,
    filled,
)

from ..answers import ApiError, answer, bad_request, not_found
from ..auth import identity
from ..describe import describes, read_body, read_query
from ..endpoints import LIBRARY, find, with_values
from ..services import Services, services
from ..shapes import Pagination
from ..states import ENDED, QUEUED, REQUEUED, STATES, error_of, outputs_of, state_of
from ..submission import Options, prepared, queued, read_options
from .prompts import WebhookSaid
from .run import Made
from .workflows import NAME, Version

MOST_JOBS = 10_000
AT_ONCE = 500
GONE = "cancelled"
"""The state of a job that is in the queue no more and never ended: it was taken out."""
Values = dict[str, Any]


class BatchBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What to run (`workflow` or `prompt`) with which values."""

    workflow: Annotated[Annotated[str, Meta(pattern=NAME)] | None, Meta(description="A kept workflow.")] = None
    version: Version | None = None
    prompt: Annotated[dict[str, Any] | None, Meta(description="A workflow of either form.")] = None
    inputs: Annotated[Values, Meta(description="Values that all jobs have.")] = {}
    grid: Annotated[dict[str, list[Any]], Meta(description="Lists of values: every combination is a job.")] = {}
    rows: Annotated[list[Values], Meta(description="Combinations: each is a job.")] = []
    title: Annotated[str, Meta(max_length=500)] = ""
    client_id: str | None = None
    extra_data: dict[str, Any] | None = None
    priority: int = 0
    webhook: WebhookSaid | str | None = None


class BatchTold(msgspec.Struct):
    """`state` is `running` until every job has ended, then `done`, `failed` or `cancelled`; `progress` from 0 to 1."""

    id: str
    title: str
    workflow: str
    version: int
    owner: str
    created: float
    state: str
    total: int
    progress: float
    counts: dict[str, int]
    url: str


class BatchList(msgspec.Struct):
    batches: list[BatchTold]
    pagination: Pagination


class Result(msgspec.Struct, omit_defaults=True):
    """A job of a batch: the values that set it apart, and what it has made, by the names of the outputs."""

    index: int
    job_id: str
    state: str
    inputs: Values
    outputs: dict[str, list[Made]] | None = None
    error: dict[str, Any] | None = None


class Results(msgspec.Struct):
    results: list[Result]
    pagination: Pagination


class BatchPageQuery(msgspec.Struct):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0


class Cancelled(msgspec.Struct):
    """The ids of the jobs that were taken out or stopped."""

    cancelled: list[str]


@describes(body=BatchBody, answer=BatchTold, status=202)
async def post_batch(request: web.Request) -> web.Response:
    """Queue one job for each combination of values."""
    served, body = services(request), await read_body(request, BatchBody)
    total = count(body.grid, body.rows)
    if not 1 <= total <= MOST_JOBS:
        remedy = f'Give 1 to {MOST_JOBS}: {{"grid": {{"seed": [1, 2, 3]}}}} or {{"rows": [{{"seed": 1}}]}}'
        bad_request(f"A batch of {total} jobs cannot be queued", remedy)
    kept = _what(request, served, body)
    said = msgspec.to_builtins(body)
    batch = Batch(str(uuid.uuid4()), identity(request).user, time.time(), body.title, body.workflow or "", kept.version)
    jobs = [BatchJob(place, str(uuid.uuid4()), given) for place, given in enumerate(combinations(body.grid, body.rows))]
    made: list[tuple[NewJob, Options]] = []
    for job in jobs:
        options = replace(read_options(served, said), run=job.job)
        made.append(await _checked(served, kept, {**body.inputs, **job.given}, options, job.place))
        await asyncio.sleep(0)  # other requests are answered between them
    library = request.app[LIBRARY]
    await library.batches.begin(batch, jobs)
    await _queue(request, served, library, batch, made)
    await library.batches.ready(batch.id)
    told = await asyncio.to_thread(_told, served, library, batch)
    return answer(told, 202, {"Location": f"/batches/{batch.id}"})


def _what(request: web.Request, served: Services, body: BatchBody) -> Kept:
    """What is run, with the inputs that may be named."""
    if (body.workflow is None) == (body.prompt is None):
        bad_request("There is either a workflow or a prompt to run", 'Give {"workflow": NAME} or {"prompt": {...}}')
    if body.workflow is not None:
        return find(request, body.workflow, body.version)
    catalog = served.object_info().catalog
    prompt = as_prompt(body.prompt, catalog, served.folders.choices)
    read_prompt(prompt)
    names = {name for given in ({**body.inputs, **body.grid}, *body.rows) for name in given}
    try:
        ports = chosen_inputs(prompt, catalog, {})
        ports += tuple(_port(prompt, name) for name in sorted(names))
        outputs = chosen_outputs(prompt, catalog, None)
    except InterfaceProblem as error:
        raise ApiError(400, "bad_interface", error.problem, error.remedy) from None
    return Kept("", 0, "", prompt, ports, outputs, source=body.prompt)


def _port(prompt: Mapping[str, Any], name: str) -> Port:
    node, dot, given = name.rpartition(".")
    if not dot or node not in prompt:
        known = ", ".join(list(prompt)[:20])
        raise InterfaceProblem(f"{name!r} names no node's input", f'Write it as "6.text"; there are the nodes {known}')
    return Port(name, node, given)


async def _checked(
    served: Services, kept: Kept, values: Mapping[str, Any], options: Options, place: int
) -> tuple[NewJob, Options]:
    """The job of one combination. Raises what is wrong with it, and which one it is."""
    prompt = with_values(served, kept, values) if kept.name else filled(kept.prompt, kept.inputs, values)
    targets = [output.node for output in kept.outputs] if kept.name else None
    try:
        new = await prepared(served, prompt, replace(options, targets=targets))
    except web.HTTPBadRequest as error:
        told = msgspec.json.decode(error.text or "{}")
        told["error"]["extra_info"] = {**told["error"].get("extra_info", {}), "batch_index": place}
        raise web.HTTPBadRequest(text=msgspec.json.encode(told).decode(), content_type=error.content_type) from None
    return new, options


async def _queue(
    request: web.Request, served: Services, library: Library, batch: Batch, made: Sequence[tuple[NewJob, Options]]
) -> None:
    """All of them or none; many at a time, as those share one wait for the disk."""
    try:
        for first in range(0, len(made), AT_ONCE):
            some = made[first : first + AT_ONCE]
            adding = [asyncio.ensure_future(queued(request.app, served, new, options)) for new, options in some]
            await asyncio.wait(adding)
            for added in adding:
                added.result()
    except BaseException:
        await served.queue.delete([new.id for new, _ in made])
        for new, _ in made:
            await served.consumer.interrupt(new.id)
        await library.batches.delete(batch.id)
        raise


@describes(query=BatchPageQuery, answer=BatchList)
async def list_batches(request: web.Request) -> web.Response:
    """The batches, the latest first."""
    query, served, library = read_query(request, BatchPageQuery), services(request), request.app[LIBRARY]
    total, found = library.batches.page(_owner(request), query.limit, query.offset)
    told = await asyncio.to_thread(lambda: [_told(served, library, batch) for batch in found])
    return answer({"batches": told, "pagination": _page(query, len(found), total)})


@describes(answer=BatchTold)
async def get_batch(request: web.Request) -> web.Response:
    """How far a batch is."""
    served, library, batch = services(request), request.app[LIBRARY], _find(request)
    return answer(await asyncio.to_thread(_told, served, library, batch))


@describes(query=BatchPageQuery, answer=Results)
async def get_results(request: web.Request) -> web.Response:
    """The jobs of a batch in their order, with what they have made."""
    query, served, library = read_query(request, BatchPageQuery), services(request), request.app[LIBRARY]
    batch = _find(request)
    names = _output_names(request, batch)
    total = len(library.batches.jobs(batch.id))
    jobs = library.batches.jobs(batch.id, query.limit, query.offset)
    told = await asyncio.to_thread(lambda: [_result(served, job, names) for job in jobs])
    return answer({"results": told, "pagination": _page(query, len(jobs), total)})


@describes(answer=Cancelled, loose=True)
async def cancel_batch(request: web.Request) -> web.Response:
    """Take the jobs of a batch that wait out of the queue, and stop those that run; what has ended stays."""
    batch = _find(request)
    return answer({"cancelled": await _cancel(request, batch)})


@describes(answer=Cancelled)
async def delete_batch(request: web.Request) -> web.Response:
    """Cancel a batch and forget it; the history of its jobs is left as it is."""
    batch = _find(request)
    cancelled = await _cancel(request, batch)
    await request.app[LIBRARY].batches.delete(batch.id)
    return answer({"cancelled": cancelled})


async def _cancel(request: web.Request, batch: Batch) -> list[str]:
    jobs = [job.job for job in request.app[LIBRARY].batches.jobs(batch.id) if not job.state]
    return list(await services(request).consumer.cancel(jobs))


def _owner(request: web.Request) -> str | None:
    """Whose batches are seen; None for everyone's."""
    who = identity(request)
    return None if who.sees_all else who.user


def _find(request: web.Request) -> Batch:
    name = request.match_info["batch"]
    batch = request.app[LIBRARY].batches.get(name, _owner(request))
    if batch is None:
        not_found(f"There is no batch {name}", "See /batches for those that there are")
    return batch


def _states(served: Services, library: Library, batch: Batch) -> list[str]:
    """Of all jobs of a batch; how those have ended that have is remembered."""
    jobs = library.batches.jobs(batch.id)
    found = {job.place: state for job in jobs if not job.state and (state := state_of(served, job.job))}
    if ended := {place: state for place, state in found.items() if state in ENDED}:
        library.batches.remember(batch.id, ended)
    return [job.state or found.get(job.place, GONE) for job in jobs]


def _state(served: Services, job: BatchJob) -> str:
    return job.state or state_of(served, job.job) or GONE


def _told(served: Services, library: Library, batch: Batch) -> dict[str, Any]:
    states = _states(served, library, batch)
    counts = Counter(states)
    over = sum(counts[state] for state in ENDED)
    return {
        "id": batch.id,
        "title": batch.title,
        "workflow": batch.workflow,
        "version": batch.version,
        "owner": batch.owner,
        "created": batch.created,
        "state": _overall(counts, over < len(states)),
        "total": len(states),
        "progress": over / len(states) if states else 1.0,
        "counts": {state: counts[state] for state in STATES},
        "url": f"/batches/{batch.id}/results",
    }


def _overall(counts: Mapping[str, int], goes_on: bool) -> str:
    if goes_on:
        begun = counts["running"] or any(counts[state] for state in ENDED)
        held = not counts[QUEUED] and not counts[REQUEUED] and not counts["running"]
        return "paused" if held else ("running" if begun else "queued")
    return next((state for state in ("failed", "cancelled") if counts[state]), "done")


def _result(served: Services, job: BatchJob, names: Mapping[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "index": job.place,
        "job_id": job.job,
        "state": _state(served, job),
        "inputs": job.given,
    }
    entry = served.history.get(job.job) if told["state"] in ENDED else None
    if entry is not None:
        told["outputs"] = outputs_of(entry, names or {node: node for node in (*entry.outputs, *entry.targets)})
        if entry.status == "failed":
            told["error"] = error_of(entry)
    return told


def _output_names(request: web.Request, batch: Batch) -> dict[str, str]:
    """The outputs of the kept workflow, by node; of a prompt, none are named."""
    kept = (
        request.app[LIBRARY].workflows.get(batch.owner, batch.workflow, batch.version or None)
        if batch.workflow
        else None
    )
    return {} if kept is None else {output.node: output.name for output in kept.outputs}


def _page(query: BatchPageQuery, given: int, total: int) -> dict[str, Any]:
    more = query.offset + given < total
    return {"offset": query.offset, "limit": query.limit, "total": total, "has_more": more}


ROUTES = (
    web.get("/batches", list_batches),
    web.post("/batches", post_batch),
    web.get("/batches/{batch}", get_batch),
    web.delete("/batches/{batch}", delete_batch),
    web.get("/batches/{batch}/results", get_results),
    web.post("/batches/{batch}/cancel", cancel_batch),
)
