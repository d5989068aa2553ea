"""`/run/NAME`: kept workflows as endpoints.

Rules:

- A request gives values for inputs: a JSON object by their names, or a form, whose files are kept in the input folder.
  `{"inputs": {...}, "priority": ..., "webhook": ..., "client_id": ...}` says more of the job in one object.
- Inputs that are left out have the values that the workflow was kept with.
- JSON is answered with a job: at once, or when it has ended within `wait` seconds. Any other type that the request
  accepts is answered with what the run has made of that type, when it has ended.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from aiohttp import hdrs, web
from aiohttp.web_request import FileField
from msgspec import Meta

from limner.runs import Entry
from limner.workflows import Field, Kept, Kind

from ..answers import ApiError, answer, bad_request, read_form, read_object
from ..describe import FORM, describes, read_query
from ..drawing import drawn
from ..endpoints import described, fields, find, with_values
from ..results import accepted, converted, ended, pick, wants_job
from ..services import Services, services
from ..states import error_of, outputs_of, state_of
from ..submission import Options, prepared, queued, read_options
from .uploads import keep_file
from .view import disposition, file_response
from .view import find as find_file
from .workflows import Version

OPTIONS = frozenset({"inputs", "priority", "webhook", "client_id"})
LONGEST_WAIT = 3600.0
DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*?;base64,")
HOW = "Send a form with one field an input, or a JSON object"


class RunQuery(msgspec.Struct):
    version: Annotated[Version | None, Meta(description="Of the workflow. Left out: the latest.")] = None
    wait: Annotated[
        Annotated[float, Meta(ge=0, le=LONGEST_WAIT)] | None,
        Meta(description="Seconds to wait for the end. Left out: none for a job, as long as it takes for a file."),
    ] = None
    output: Annotated[str | None, Meta(description="The output to answer with, where there are several.")] = None
    priority: Annotated[Annotated[int, Meta(ge=-1000, le=1000)] | None, Meta(description="Higher runs first.")] = None
    client_id: Annotated[str | None, Meta(description="The `clientId` of the WebSocket that hears of it.")] = None
    webhook: Annotated[str | None, Meta(description="Where the job's events are posted to.")] = None


class Values(msgspec.Struct):
    """Values by the names of the workflow's inputs: see GET /run/NAME, or the endpoint's own description."""


class Made(msgspec.Struct, omit_defaults=True):
    """Something that a run has made: a file with its `url`, or a `value` that a node shows."""

    kind: str
    filename: str = ""
    subfolder: str = ""
    type: str = ""
    media_type: str = ""
    url: str = ""
    value: Any = None


class RunTold(msgspec.Struct, omit_defaults=True):
    """A job of an endpoint. `outputs` is there when it has ended, by the names of the workflow's outputs."""

    job_id: str
    state: str
    workflow: str
    version: int
    url: str
    outputs: dict[str, list[Made]] | None = None
    error: dict[str, Any] | None = None


class EndpointTold(msgspec.Struct):
    name: str
    version: int
    url: str
    inputs: list[Any]
    outputs: list[Any]


@describes(query=RunQuery, answer=EndpointTold)
async def get_endpoint(request: web.Request) -> web.Response:
    """What an endpoint takes and makes."""
    kept = find(request, request.match_info["name"], read_query(request, RunQuery).version)
    return answer(described(services(request), kept))


@describes(query=RunQuery, body=Values, form=Values, answer=RunTold, media=("image/*", "*/*"), more=(202,), loose=True)
async def run(request: web.Request) -> web.StreamResponse:
    """Run a kept workflow; answers a job, or, where another type is accepted (`Accept: image/png`), what it makes."""
    served, query = services(request), read_query(request, RunQuery)
    kept = find(request, request.match_info["name"], query.version)
    if query.output is not None and all(output.name != query.output for output in kept.outputs):
        known = ", ".join(output.name for output in kept.outputs)
        raise ApiError(400, "bad_output", f"The workflow has no output {query.output!r}", f"It has {known}")
    options, values = await _said(request, served, kept, query)
    targets = [output.node for output in kept.outputs]
    prompt = with_values(served, kept, values)
    new = await prepared(served, prompt, replace(options, targets=targets))
    kinds = accepted(request)
    as_job = wants_job(kinds)
    reader = served.bus.subscribe()
    try:
        await queued(request.app, served, new, options)
        seconds = query.wait if query.wait is not None else (0.0 if as_job else None)
        over = seconds != 0.0 and await ended(served, reader, new.id, seconds)
    finally:
        reader.close()
    entry = served.history.get(new.id) if over else None
    if entry is None or as_job:
        return _job(served, kept, new.id, entry)
    return await _made(request, served, _failed_or(entry), kept, query.output)


def _job(served: Services, kept: Kept, job: str, entry: Entry | None) -> web.Response:
    told: dict[str, Any] = {
        "job_id": job,
        "state": state_of(served, job) or "queued",
        "workflow": kept.name,
        "version": kept.version,
        "url": f"/jobs/{job}",
    }
    if entry is not None:
        told["outputs"] = outputs_of(entry, {output.node: output.name for output in kept.outputs})
        if entry.status == "failed":
            told["error"] = error_of(entry)
    return answer(told, 200 if entry is not None else 202, {"Location": f"/jobs/{job}", "X-Job-Id": job})


def _failed_or(entry: Entry) -> Entry:
    if entry.status == "failed":
        told = error_of(entry) or {}
        message, remedy = str(told.get("exception_message") or "The run failed"), str(told.pop("remedy", ""))
        raise ApiError(422, "run_failed", message, remedy, job_id=entry.id, **told)
    if entry.status == "cancelled":
        raise ApiError(409, "run_cancelled", f"The job {entry.id} was stopped", "Ask once more", job_id=entry.id)
    return entry


async def _made(
    request: web.Request, served: Services, entry: Entry, kept: Kept, output: str | None
) -> web.StreamResponse:
    names = {chosen.node: chosen.name for chosen in kept.outputs if output in (None, chosen.name)}
    item, media = pick(outputs_of(entry, names), accepted(request))
    headers = {"X-Job-Id": entry.id}
    if "filename" not in item:
        text = item["value"] if isinstance(item["value"], str) else msgspec.json.encode(item["value"]).decode()
        return web.Response(text=text, headers=headers)
    path = await asyncio.to_thread(
        find_file, served, item["filename"], str(item.get("subfolder") or ""), str(item.get("type") or "output")
    )
    if media == item["media_type"]:
        response = file_response(path)
        response.headers.update(headers)
        return response
    body = await drawn(request, converted, path, media)
    name = f"{path.stem}.{media.partition('/')[2].replace('jpeg', 'jpg')}"
    return web.Response(
        body=body, content_type=media, headers={**headers, hdrs.CONTENT_DISPOSITION: disposition("inline", name)}
    )


async def _said(request: web.Request, served: Services, kept: Kept, query: RunQuery) -> tuple[Options, dict[str, Any]]:
    """What the job is to be like, and its values; files are kept."""
    inputs = fields(served, kept)
    if request.content_type == FORM:
        form = await read_form(request, HOW)
        given = {name: await _field(served, inputs, name, value) for name, value in form.items()}
        said: dict[str, Any] = {}
    else:
        given, said = _unwrapped(await read_object(request, empty=True), inputs)
        given = {name: await _inline(served, inputs.get(name), value) for name, value in given.items()}
    asked = {"priority": query.priority, "client_id": query.client_id, "webhook": query.webhook}
    return read_options(served, said | {name: value for name, value in asked.items() if value is not None}), given


def _unwrapped(body: dict[str, Any], inputs: Mapping[str, Field]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values, and what is said of the job beside them."""
    values = body.get("inputs")
    if isinstance(values, dict) and "inputs" not in inputs and OPTIONS.issuperset(body):
        return values, body
    return body, {}


async def _field(served: Services, inputs: Mapping[str, Field], name: str, value: object) -> object:
    if not isinstance(value, FileField):
        return value
    known = inputs.get(name)
    if known is not None and known.kind is not Kind.FILE:
        bad_request(f"The input {name} takes no file", f"Give a value of type {known.kind.value}")
    return await keep_file(served, value.filename, await asyncio.to_thread(value.file.read))


async def _inline(served: Services, known: Field | None, value: object) -> object:
    """A value of JSON; of one for a file that holds it (`data:image/png;base64,...`), the name it is kept under."""
    if known is None or known.kind is not Kind.FILE or not isinstance(value, str):
        return value
    head = DATA_URL.match(value[:200])
    if head is None:
        return value
    try:
        data = base64.b64decode(value[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        bad_request(f"The input {known.name} is not base64", "Send data:image/png;base64,... with the file's bytes")
    suffix = mimetypes.guess_extension(head[1] or "") or ".bin"
    return await keep_file(served, f"{known.name}{suffix}", data)


ROUTES = (web.get("/run/{name}", get_endpoint), web.post("/run/{name}", run))
