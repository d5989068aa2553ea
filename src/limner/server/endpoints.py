"""Kept workflows as endpoints: their inputs with types, their outputs, and how both are described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from limner.workflows import BadValue, Field, Kept, Kind, Library, checked, fields_of, filled

from .answers import ApiError, not_found
from .auth import identity
from .describe import FORM, JSON
from .services import Services

LIBRARY = web.AppKey("library", Library)


def find(request: web.Request, name: str, version: int | None = None) -> Kept:
    """The workflow that a user means. Raises `ApiError` 404."""
    user = identity(request).user
    kept = request.app[LIBRARY].workflows.get(user, name, version)
    if kept is None:
        which = name if version is None else f"{name}, version {version}"
        not_found(f"There is no workflow {which}", "See /workflows for those that there are, or keep one there")
    return kept


def fields(served: Services, kept: Kept) -> dict[str, Field]:
    """Its inputs by name, as their nodes take them now."""
    found = fields_of(kept.inputs, kept.prompt, served.object_info().catalog, served.folders.choices)
    return {field.name: field for field in found}


def with_values(served: Services, kept: Kept, values: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt with these values for its inputs. Raises `ApiError` 400."""
    try:
        return filled(kept.prompt, kept.inputs, checked(fields(served, kept), values))
    except BadValue as error:
        raise bad_value(error) from None


def bad_value(error: BadValue) -> ApiError:
    return ApiError(400, "bad_input", error.problem, error.remedy, input=error.name)


def schema(inputs: Mapping[str, Field], form: bool = False) -> dict[str, Any]:
    """JSON Schema of a request; in a `form`, files are sent as they are."""
    told = {name: field.schema() for name, field in inputs.items()}
    if form:
        for name, field in inputs.items():
            if field.kind is Kind.FILE:
                told[name] = {"type": "string", "format": "binary"}
    return {"type": "object", "properties": told, "additionalProperties": False}


def described(served: Services, kept: Kept, whole: bool = False) -> dict[str, Any]:
    """A workflow as its routes tell it; `whole` with the workflow itself."""
    inputs = fields(served, kept)
    told: dict[str, Any] = {
        "name": kept.name,
        "version": kept.version,
        "owner": kept.owner,
        "shared": kept.shared,
        "description": kept.description,
        "created": kept.created,
        "url": f"/run/{kept.name}",
        "inputs": [
            {
                "name": port.name,
                "node": port.node,
                "input": port.input,
                "kind": inputs[port.name].kind.value,
                "schema": inputs[port.name].schema(),
            }
            for port in kept.inputs
        ],
        "outputs": [
            {"name": out.name, "node": out.node, "type": kept.prompt[out.node]["class_type"]} for out in kept.outputs
        ],
    }
    return told | ({"workflow": kept.source or kept.prompt, "prompt": kept.prompt} if whole else {})


def operation(served: Services, kept: Kept, general: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /run/NAME` of a workflow, as `/openapi.json` tells it; `general` is that of `/run/{name}`."""
    inputs = fields(served, kept)
    parameters = [parameter for parameter in general["parameters"] if parameter["in"] == "query"]
    return {
        **general,
        "operationId": f"run_{kept.name}",
        "tags": ["endpoints"],
        "summary": kept.description or f"Run the workflow {kept.name}",
        "parameters": parameters,
        "requestBody": {
            "required": False,
            "content": {JSON: {"schema": schema(inputs)}, FORM: {"schema": schema(inputs, form=True)}},
        },
    }
