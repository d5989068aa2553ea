"""`/openapi.json`: OpenAPI 3.1, made from what is said beside the handlers (`describe`) and from nothing else.

Every path stands once; that each is there under `/api` too is said by the two servers of the document. Workflows that
are kept as endpoints come to it with types of their own.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from limner.accounts import Scope

from .auth import ADMIN, OPEN
from .describe import FORM, JSON, Description, File, description
from .guard import SAFE_METHODS

VERSION = "3.1.0"
REFERENCE = "#/components/schemas/{name}"
PARAMETER = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})+))?\}")
"""A parameter of a path, and the pattern that it has to match."""


class Problem(msgspec.Struct):
    """What went wrong, and what to do about it."""

    type: str
    message: str
    details: str
    extra_info: dict[str, Any]
    remedy: str = ""


class Error(msgspec.Struct):
    """Every error, whatever the route; `node_errors` holds those of single nodes, by the node's id."""

    error: Problem
    node_errors: dict[str, Any]


def document(routes: Iterable[web.RouteDef], version: str) -> dict[str, Any]:
    """The whole document of these routes."""
    described = [(route, description(route.handler) or Description()) for route in routes]
    kinds: list[Any] = [Error]
    for _, said in described:
        kinds += [kind for kind in (said.query, said.body, said.form, *_answers(said)) if kind is not None]
    schemas, components = msgspec.json.schema_components(kinds, schema_hook=_hook, ref_template=REFERENCE)
    known = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route, said in described:
        entry = _operation(route, said, known, components)
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = entry
    queries = {said.query.__name__ for _, said in described if said.query is not None}  # told as parameters
    components = {name: schema for name, schema in components.items() if name not in queries}
    return {
        "openapi": VERSION,
        "info": {"title": "Limner", "version": version, "description": __doc__.split("\n", maxsplit=1)[0]},
        "servers": [{"url": "/"}, {"url": "/api"}],
        "security": [{}, {"token": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token: limner users token add NAME"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "limner_session"},
            },
        },
    }


def _answers(said: Description) -> tuple[Any, ...]:
    return said.answer if isinstance(said.answer, tuple) else (said.answer,)


def plain_path(path: str) -> str:
    """The path with its parameters' names alone."""
    return PARAMETER.sub(r"{\1}", path)


def _hook(kind: type) -> dict[str, Any]:
    if kind is File:
        return {"type": "string", "format": "binary"}
    raise NotImplementedError(kind)


def _operation(
    route: web.RouteDef, said: Description, known: Mapping[int, Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    summary, _, more = (inspect.getdoc(route.handler) or "").partition("\n\n")
    path = plain_path(route.path)
    entry: dict[str, Any] = {
        "operationId": f"{route.handler.__name__}_{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', path.lower())}",
        "tags": [route.handler.__module__.rpartition(".")[2]],
        "summary": summary.replace("\n", " "),
        "description": more,
        "parameters": [*_path_parameters(route.path), *_query_parameters(said.query, known, components)],
        "responses": _responses(said, known),
    }
    scope = _scope(route.method, path).name.lower()
    entry["security"] = [{}] if path in OPEN else [{}, {"token": [scope]}, {"cookie": []}]
    content = {
        media: {"schema": known[id(kind)]} for media, kind in ((JSON, said.body), (FORM, said.form)) if kind is not None
    }
    if said.raw:
        content["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    if content:
        entry["requestBody"] = {"required": not said.loose, "content": content}
    return entry


def _scope(method: str, path: str) -> Scope:
    """What a token must be good for; on a server that asks for no login, nothing is needed."""
    if (method, path) in ADMIN:
        return Scope.ADMIN
    return Scope.READ if method in SAFE_METHODS else Scope.RUN


def _path_parameters(path: str) -> list[dict[str, Any]]:
    found = []
    for name, pattern in PARAMETER.findall(path):
        schema: dict[str, Any] = {"type": "string", "minLength": 1}
        if pattern:
            schema["pattern"] = f"^{pattern}$"
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    return found


def _query_parameters(kind: Any, known: Mapping[int, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    if kind is None:
        return []
    schema = components[known[id(kind)]["$ref"].rpartition("/")[2]]
    found = []
    for name, member in schema["properties"].items():
        plain = _given({key: value for key, value in member.items() if key != "description"})
        parameter = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": plain}
        found.append(parameter | ({"description": member["description"]} if "description" in member else {}))
    return found


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter that is given; that it may be left out is said elsewhere."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    if len(kinds) == 1:
        plain = {key: value for key, value in plain.items() if key != "anyOf"} | kinds[0]
    return plain


def _responses(said: Description, known: Mapping[int, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {media: {} for media in said.media}
    if said.answer is not None:
        schemas = [known[id(kind)] for kind in _answers(said)]
        content[JSON] = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
    responses: dict[str, Any] = {}
    for status in (said.status, *said.more):
        empty = status in (204, 304) or status == HTTPStatus.SWITCHING_PROTOCOLS
        phrase = HTTPStatus(status).phrase
        responses[str(status)] = {"description": phrase} | ({} if empty or not content else {"content": content})
    failure = {"schema": REFERENCE_TO_ERROR}
    responses["default"] = {"description": "What went wrong, and the remedy", "content": {JSON: failure}}
    return responses


REFERENCE_TO_ERROR = {"$ref": REFERENCE.format(name="Error")}
