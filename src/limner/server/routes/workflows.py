"""`/workflows`: workflows kept under names and versions; each is an endpoint, `POST /run/NAME`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from limner.comfy.workflow import as_prompt, is_editor_form, read_prompt
from limner.workflows import InterfaceProblem, Kept, chosen_inputs, chosen_outputs
from limner.workflows.store import VersionExists

from ..answers import ApiError, answer, bad_request, not_found
from ..auth import identity
from ..describe import describes, read_body, read_query
from ..endpoints import LIBRARY, described, find
from ..services import Services, services
from ..submission import refused

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
MOST_VERSIONS = 2**31
Version = Annotated[int, Meta(ge=1, le=MOST_VERSIONS)]


class KeptBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A workflow to keep, in API form or as the editor saves it."""

    name: Annotated[str, Meta(pattern=NAME)]
    workflow: dict[str, Any]
    version: Annotated[Version | None, Meta(description="Left out: the next one of this name.")] = None
    description: Annotated[str, Meta(max_length=10_000)] = ""
    inputs: Annotated[
        dict[str, Any] | list[Any] | None,
        Meta(description='Which values are inputs: {"prompt": "6.text"} or ["6.text"]. Left out: all.'),
    ] = None
    outputs: Annotated[
        dict[str, Any] | list[Any] | None,
        Meta(description='Which output nodes are outputs: {"image": "9"} or ["9"]. Left out: all.'),
    ] = None
    shared: Annotated[bool, Meta(description="Let every user run it.")] = False


class InputTold(msgspec.Struct):
    name: str
    node: str
    input: str
    kind: str
    schema: dict[str, Any]


class OutputTold(msgspec.Struct):
    name: str
    node: str
    type: str


class KeptTold(msgspec.Struct):
    """A version of a workflow; `url` is its endpoint."""

    name: str
    version: int
    owner: str
    shared: bool
    description: str
    created: float
    url: str
    inputs: list[InputTold]
    outputs: list[OutputTold]


class WholeTold(KeptTold):
    """The same with the workflow as it was sent, and as its nodes run it."""

    workflow: dict[str, Any]
    prompt: dict[str, Any]


class KeptList(msgspec.Struct):
    workflows: list[KeptTold]


class Versions(msgspec.Struct):
    """The latest first."""

    versions: list[KeptTold]


class Deleted(msgspec.Struct):
    """How many versions are gone."""

    deleted: int


class Which(msgspec.Struct):
    version: Annotated[Version | None, Meta(description="Left out: the latest.")] = None


@describes(answer=KeptList)
async def list_workflows(request: web.Request) -> web.Response:
    """The latest version of each workflow that the user may run."""
    who, served = identity(request), services(request)
    found = request.app[LIBRARY].workflows.latest(who.user, everyone=who.sees_all)
    return answer({"workflows": [described(served, kept) for kept in found]})


@describes(body=KeptBody, answer=KeptTold, status=201)
async def post_workflow(request: web.Request) -> web.Response:
    """Keep a workflow, with the inputs and outputs that are chosen, as the next version of its name."""
    served, body = services(request), await read_body(request, KeptBody)
    kept = await _made(served, body, identity(request).user)
    try:
        kept = await request.app[LIBRARY].workflows.add(kept, next_version=body.version is None)
    except VersionExists as error:
        raise ApiError(409, "version_exists", str(error), "Leave version out for the next one") from None
    return answer(described(served, kept), 201, {"Location": f"/workflows/{kept.name}/versions/{kept.version}"})


async def _made(served: Services, body: KeptBody, owner: str) -> Kept:
    catalog = served.object_info().catalog
    prompt = as_prompt(body.workflow, catalog, served.folders.choices)
    graph = read_prompt(prompt)
    if any(node.type not in catalog for node in graph.nodes.values()):
        raise refused(await served.machine.admit("", graph, None))
    if not prompt:
        bad_request("The workflow is empty", "Add nodes to it")
    try:
        inputs = chosen_inputs(prompt, catalog, body.inputs)
        outputs = chosen_outputs(prompt, catalog, body.outputs)
    except InterfaceProblem as error:
        raise ApiError(400, "bad_interface", error.problem, error.remedy) from None
    kept = Kept(body.name, body.version or 0, owner, prompt, inputs, outputs, body.shared, body.description)
    return replace(kept, source=body.workflow) if is_editor_form(body.workflow) else kept


@describes(query=Which, answer=WholeTold)
async def get_workflow(request: web.Request) -> web.Response:
    """A workflow, with what it runs."""
    kept = find(request, request.match_info["name"], read_query(request, Which).version)
    return answer(described(services(request), kept, whole=True))


@describes(answer=Versions)
async def list_versions(request: web.Request) -> web.Response:
    """All versions of a workflow, the latest first."""
    name, served = find(request, request.match_info["name"]).name, services(request)
    found = request.app[LIBRARY].workflows.versions(identity(request).user, name)
    return answer({"versions": [described(served, kept) for kept in found]})


@describes(answer=WholeTold)
async def get_version(request: web.Request) -> web.Response:
    """One version of a workflow."""
    kept = find(request, request.match_info["name"], _version(request))
    return answer(described(services(request), kept, whole=True))


@describes(answer=Deleted)
async def delete_workflow(request: web.Request) -> web.Response:
    """Delete a workflow of one's own, all versions of it; jobs that were queued from it are left as they are."""
    return await _delete(request, None)


@describes(answer=Deleted)
async def delete_version(request: web.Request) -> web.Response:
    """Delete one version of a workflow of one's own."""
    return await _delete(request, _version(request))


async def _delete(request: web.Request, version: int | None) -> web.Response:
    name, user = request.match_info["name"], identity(request).user
    deleted = await request.app[LIBRARY].workflows.delete(user, name, version)
    if not deleted:
        which = name if version is None else f"{name}, version {version}"
        not_found(f"There is no workflow {which} of yours", "See /workflows for those that there are")
    return answer({"deleted": deleted})


def _version(request: web.Request) -> int:
    return min(int(request.match_info["version"]), MOST_VERSIONS)


ROUTES = (
    web.get("/workflows", list_workflows),
    web.post("/workflows", post_workflow),
    web.get("/workflows/{name}", get_workflow),
    web.delete("/workflows/{name}", delete_workflow),
    web.get("/workflows/{name}/versions", list_versions),
    web.get(r"/workflows/{name}/versions/{version:\d{1,10}}", get_version),
    web.delete(r"/workflows/{name}/versions/{version:\d{1,10}}", delete_version),
)
