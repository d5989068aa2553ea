"""How the server reads requests and answers them: JSON, and one shape of error for every route.

An error is `{"error": {"type", "message", "details", "extra_info", "remedy"}, "node_errors": {}}`, as `POST /prompt`
always gave it, so that a client needs to read one thing only. No traceback ever leaves the server.
"""

from __future__ import annotations

import errno
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from itertools import accumulate
from typing import Any, NoReturn

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDictProxy

from limner.accounts import AccountProblem
from limner.comfy.node_errors import describe_unreadable
from limner.comfy.object_info import encode
from limner.database import DatabaseBusy, DatabaseDamaged, DatabaseFull, DatabaseProblem, DatabaseReadOnly
from limner.files import CannotWrite, FileProblem, MissingFile, UnknownFolder
from limner.graph import InvalidGraph

from .services import MachineError

log = logging.getLogger(__name__)
DEEPEST = 256
"""Levels of JSON that are read; workflows of nested subgraphs have a dozen."""
MOST_VALUES = 2_000_000
"""Values of one body: as objects they take up to a hundred bytes each, however short they are."""
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)
_DATABASE_ERRORS: Mapping[type[DatabaseProblem], tuple[int, str, str]] = {
    DatabaseFull: (507, "disk_full", "there is no room on the server's disk"),
    DatabaseReadOnly: (507, "disk_read_only", "the server's disk may not be written to"),
    DatabaseBusy: (503, "database_locked", "another program keeps the server's database locked"),
    DatabaseDamaged: (503, "database_damaged", "a part of the server's database cannot be read"),
    DatabaseProblem: (503, "database_error", "the server's disk refuses"),
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiError(Exception):
    """A request that is answered with this status and an error object."""

    def __init__(self, status: int, code: str, message: str, remedy: str = "", **details: object) -> None:
        super().__init__(message)
        self.status, self.code, self.remedy, self.details = status, code, remedy, details


def answer(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON."""
    return web.Response(
        body=encode(data), status=status, content_type="application/json", charset="utf-8", headers=headers
    )


def error_answer(status: int, code: str, message: str, remedy: str = "", details: object = None) -> web.Response:
    error: dict[str, object] = {"type": code, "message": message, "details": message, "extra_info": details or {}}
    if remedy:
        error["remedy"] = remedy
    return answer({"error": error, "node_errors": {}}, status)


def not_found(what: str, remedy: str = "") -> NoReturn:
    raise ApiError(404, "not_found", what, remedy)


def bad_request(message: str, remedy: str = "") -> NoReturn:
    raise ApiError(400, "bad_request", message, remedy)


async def read_json(request: web.Request, empty: object = None) -> Any:
    """The body as JSON; `empty` for an empty one where that is given. Raises `ApiError`, 413 for a large one."""
    body = await request.read()
    if not body.strip() and empty is not None:
        return empty
    if len(body) > MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ApiError(413, "too_large", f"The JSON has more than {MOST_VALUES:,} values", "Send less at a time")
    if _depth(body) > DEEPEST:
        raise _too_deep()
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        pass
    except RecursionError as error:
        raise _too_deep() from error
    try:  # Python's reader takes NaN and Infinity, which clients do send
        return json.loads(body)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise ApiError(400, "invalid_json", f"The request is not JSON: {error}", "Send a JSON body") from error


async def read_object(request: web.Request, empty: bool = False) -> dict[str, Any]:
    """The body as a JSON object; `empty` lets it be missing. Raises `ApiError`."""
    data = await read_json(request, {} if empty else None)
    if not isinstance(data, dict):
        bad_request("The request is not a JSON object", "Send an object: {...}")
    return data


async def read_form(request: web.Request, remedy: str) -> MultiDictProxy[Any]:
    """The fields of a form. Raises `ApiError` 400 for a broken one, with this remedy."""
    try:
        return await request.post()
    except (ValueError, AssertionError, LookupError, HttpProcessingError) as error:  # broken parts, unknown encodings
        why = getattr(error, "message", "") or str(error)
        raise ApiError(400, "bad_request", f"The form cannot be read: {unicode(why)}", remedy) from error


def whole_number(request: web.Request, name: str, low: int = 0) -> int | None:
    """A whole number of the query, at least `low`; None where it is not given. Raises `ApiError` 400."""
    text = request.query.get(name, "")
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:  # no number, or one of thousands of digits
        bad_request(f"{name} is not a whole number", "Give a whole number, or leave it out")
    if number < low:
        bad_request(f"{name} is less than {low}", f"Give at least {low}")
    return number


def ids(body: Mapping[str, Any], name: str) -> list[str]:
    """A list of ids in a request. Raises `ApiError` 400."""
    value = body[name]
    if not isinstance(value, list) or not all(isinstance(entry, (str, int)) for entry in value):
        bad_request(f"{name} is not a list of ids", f'Send {{"{name}": ["id", ...]}}')
    return [unicode(str(entry)) for entry in value]


def unicode(text: str) -> str:
    """The text with what no encoding can write (halves of surrogate pairs, which JSON may hold) as question marks."""
    return text.encode("utf-8", "replace").decode()


def _depth(body: bytes) -> int:
    """How deep brackets stand in each other; those in texts do not count."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return 0
    brackets = _TEXTS.sub(b"", body).translate(None, delete=_NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _too_deep() -> ApiError:
    message = f"The JSON is nested too deeply to be read: more than {DEEPEST} levels"
    return ApiError(400, "invalid_json", message, "Send it flatter")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure of a handler becomes an error object with the right status."""
    try:
        return await handler(request)
    except ApiError as error:
        return _api_error(error)
    except InvalidGraph as error:
        return answer(describe_unreadable(error.problems), 400)
    except FileProblem as error:
        return error_answer(_file_status(error), _file_code(error), error.problem, error.remedy)
    except DatabaseProblem as error:
        return _database_error(request, error)
    except AccountProblem as error:
        log.warning("%s %s: %s", request.method, request.path, error)
        return error_answer(503, "accounts_unavailable", error.problem, error.remedy)
    except MachineError as error:
        return error_answer(503, "host_unavailable", str(error), error.remedy)
    except web.HTTPException as error:
        if error.status < 400 or error.content_type == "application/json":
            raise
        return _http_error(error)
    except RecursionError:
        return _api_error(_too_deep())
    except ConnectionError:
        raise
    except OSError as error:
        return _system_error(request, error)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return error_answer(500, "internal_error", "The server failed to answer", "The server's log says why")


def _system_error(request: web.Request, error: OSError) -> web.Response:
    """What the disk refuses. Names that no file can have are the client's business, the rest is the user's."""
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return error_answer(400, "bad_request", f"There can be no such file: {error.strerror}", "Use another name")
    log.warning("%s %s: %s", request.method, request.path, error)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "Free some space on the disk" if full else "Check that the folder exists and may be written to"
    status = 507 if full or error.errno == errno.EROFS else 500
    return error_answer(status, "disk_error", f"The disk refuses: {error.strerror or error}", remedy)


def _database_error(request: web.Request, error: DatabaseProblem) -> web.Response:
    """Nothing was changed: what was asked for can be asked for again. Which file it is stands in the log alone."""
    log.warning("%s %s: %s", request.method, request.path, error)
    status, code, why = next(told for kind, told in _DATABASE_ERRORS.items() if isinstance(error, kind))
    response = error_answer(status, code, f"This could not be done: {why}", error.remedy)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _api_error(error: ApiError) -> web.Response:
    return error_answer(error.status, error.code, str(error), error.remedy, error.details)


def _http_error(error: web.HTTPException) -> web.Response:
    remedies = {
        413: "Send less, or start the server with a larger --max-upload-size",
        405: f"Allowed are {', '.join(sorted(getattr(error, 'allowed_methods', ())))}",
    }
    response = error_answer(error.status, f"http_{error.status}", error.reason, remedies.get(error.status, ""))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _file_status(error: FileProblem) -> int:
    if isinstance(error, (MissingFile, UnknownFolder)):
        return 404
    return 507 if isinstance(error, CannotWrite) else 400


def _file_code(error: FileProblem) -> str:
    name = type(error).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
