"""Requests made from `/openapi.json`, right and wrong ones: what comes back is what it says, and never a failure."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from limner.server.openapi import document
from limner.server.routes import all_routes
from tests.support.in_process import chain, serving

EXAMPLES = 8
LONG = ["/ws", "/events", "/jobs/{job}/events"]
"""What goes on until the client leaves."""
SCHEMA = schemathesis.openapi.from_dict(document(all_routes(), "1"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a thread of its own, with a run, a kept workflow and a few files."""
    ready, stop, found = threading.Event(), asyncio.Event(), []
    base: Path = tmp_path_factory.mktemp("base")

    async def serve() -> None:
        async with serving(base) as served:
            await served.client.post("/workflows", json={"name": "kept", "workflow": chain()})
            await served.run(chain())
            (served.folders.output / "a.png").write_bytes(b"no picture")
            found.extend([str(served.client.make_url("")).rstrip("/"), asyncio.get_running_loop()])
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    yield found[0]
    found[1].call_soon_threadsafe(stop.set)
    thread.join(30)


def answers_what_it_says(case: schemathesis.Case, url: str) -> None:
    checks: list[Any] = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    case.call_and_validate(base_url=url, checks=checks, timeout=20)


def one_for_each() -> Iterator[tuple[str, Any]]:
    """A test of its own for each operation: of tests that share one id, pytest-xdist would run a single one."""
    limits = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    for found in SCHEMA.exclude(path=LONG).get_all_operations():
        operation = found.ok()
        chosen = SCHEMA.include(path=operation.path, method=operation.method.upper())
        name = re.sub(r"\W+", "_", f"test_{operation.method}{operation.path}").rstrip("_")

        def check(case: schemathesis.Case, url: str) -> None:
            answers_what_it_says(case, url)

        check.__name__ = name
        yield name, chosen.parametrize()(limits(check))


globals().update(one_for_each())


def test_every_operation_has_its_test() -> None:
    named = {name for name in globals() if name.startswith("test_")}
    assert len(named) == len(list(SCHEMA.get_all_operations())) - len(LONG) + 1
