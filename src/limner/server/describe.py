"""What a route takes and gives, said beside its handler, in types that msgspec knows.

    @describes(query=JobsQuery, answer=JobsPage)
    async def list_jobs(request): ...

The types are those that the code reads requests with (`read_query`, `read_body`) or that its answers are made as, so
that `/openapi.json`, which is made from them, is what the server does. Errors have one shape everywhere: see `answers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from .answers import ApiError, Handler, read_json

JSON = "application/json"
FORM = "multipart/form-data"
ATTRIBUTE = "__describes__"
T = TypeVar("T")
H = TypeVar("H", bound=Handler)


class File(str):
    """A file in a form, in a description."""


@dataclass(frozen=True, slots=True)
class Description:
    """A route: the types of its query, body (JSON), form and answer; None where it has none.

    An answer of several types is a tuple of them. `media` are the types of an answer that is not JSON. `status` is that
    of a success; `more` are others that are not errors. `loose`: the body may be left out; `raw`: it may be anything.
    """

    query: Any = None
    body: Any = None
    form: Any = None
    answer: Any = None
    media: tuple[str, ...] = ()
    status: int = 200
    more: tuple[int, ...] = ()
    loose: bool = False
    raw: bool = False


def describes(**said: Any) -> Callable[[H], H]:
    """Say what a handler takes and gives: the fields of `Description`."""

    def mark(handler: H) -> H:
        setattr(handler, ATTRIBUTE, Description(**said))
        return handler

    return mark


def description(handler: Any) -> Description | None:
    """What was said of a handler."""
    found: Description | None = getattr(handler, ATTRIBUTE, None)
    return found


def read_query(request: web.Request, kind: type[T]) -> T:
    """The query as this type; what is left empty counts as not given. Raises `ApiError` 400."""
    return _converted({name: value for name, value in request.query.items() if value != ""}, kind, strict=False)


async def read_body(request: web.Request, kind: type[T], empty: bool = False) -> T:
    """The body, JSON, as this type; `empty` lets it be missing. Raises `ApiError` 400 or 413."""
    return _converted(await read_json(request, {} if empty else None), kind, strict=True)


def _converted(data: object, kind: type[T], *, strict: bool) -> T:
    try:
        return msgspec.convert(data, kind, strict=strict)
    except msgspec.ValidationError as error:
        problem, where = _told(str(error))
        message = f"{where}: {problem}" if where else f"The request is not right: {problem}"
        raise ApiError(400, "bad_request", message, _remedy(problem, where)) from None


def _told(text: str) -> tuple[str, str]:
    """What msgspec says of a value, and the value's name: `Expected `int`, got `str` - at `$.limit``."""
    problem, _, path = text.partition(" - at `$")
    named = re.fullmatch(r"Object (missing required|contains unknown) field `(.*)`", problem)
    where = path.removesuffix("`").lstrip(".")
    if named:
        where = f"{where}.{named[2]}".lstrip(".")
        problem = "it is missing" if named[1].startswith("missing") else "there is no such field"
    for said, plain in (("`int`", "a whole number"), ("`float`", "a number"), ("`str`", "text"), ("`bool`", "a bool")):
        problem = problem.replace(said, plain)
    return problem[:1].lower() + problem[1:].replace("`object`", "an object").replace("`array`", "a list"), where


def _remedy(problem: str, where: str) -> str:
    if problem == "there is no such field":
        return f"Leave {where} out, or correct its name"
    wanted = re.match(r"expected (.*?)(?:, got .*)?$", problem)
    if wanted:
        return f"Give {where or 'the body'} as {wanted[1]}"
    return f"Give {where}" if where else "See /openapi for what is expected"


def words(text: str) -> Sequence[str]:
    """The parts of a list that is written with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
