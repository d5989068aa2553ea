"""Where traces go."""

from __future__ import annotations

import asyncio
import builtins
import sys
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from limner.app.listening import CannotServe
from limner.app.tracing import collector, traced
from limner.engine.events import RunFinished
from limner.runs import Bus, JobTaken


@pytest.mark.parametrize("endpoint", ["localhost:4318", "ftp://host", "http://", "x"])
def test_what_is_no_address_is_refused_with_an_example(endpoint: str) -> None:
    with pytest.raises(CannotServe, match=r"--otlp-endpoint.*http://127\.0\.0\.1:4318"):
        collector(endpoint)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **more)

    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CannotServe, match=r"pip install 'limner\[otel\]'"):
        collector("http://127.0.0.1:4318")


async def test_nothing_is_traced_unless_it_is_asked_for() -> None:
    assert collector("") is None
    async with traced(Bus(), None):
        pass


async def test_a_collector_gets_the_spans_of_a_job() -> None:
    got: list[ExportTraceServiceRequest] = []

    async def take(request: web.Request) -> web.Response:
        got.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    async with TestServer(app) as server:
        bus = Bus()
        async with traced(bus, collector(str(server.make_url("")))):
            bus.tell([JobTaken(100.0, 1), RunFinished("mine", 1, "done")], "mine", None)
            await asyncio.sleep(0)
    names = {
        span.name for request in got for part in request.resource_spans for s in part.scope_spans for span in s.spans
    }
    assert names == {"job", "queue"}
