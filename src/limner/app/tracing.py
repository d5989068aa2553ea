"""Traces of jobs to a collector, where one is named."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from limner import __version__
from limner.runs import Bus, JobTaken, Message

from .listening import CannotServe
from .reading import reading

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

TRACES = "/v1/traces"
"""The path that collectors take traces at."""
LAST_SECONDS = 3.0
"""Seconds that a collector is given for the last spans when the server ends."""


def collector(endpoint: str) -> TracerProvider | None:
    """What sends spans to the collector at this address; None for none. Raises CannotServe."""
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CannotServe(
            f"--otlp-endpoint: {endpoint!r} is no address of a collector",
            "Give one that takes OTLP over HTTP, such as http://127.0.0.1:4318",
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from limner.telemetry.tracing import provider
    except ImportError as error:
        raise CannotServe(
            f"--otlp-endpoint is given, and OpenTelemetry is not installed ({error})",
            "Install it with: pip install 'limner[otel]'",
        ) from error
    made = provider(__version__)
    address = endpoint if parts.path.strip("/") else endpoint.rstrip("/") + TRACES
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    return made


@asynccontextmanager
async def traced(bus: Bus, provider: TracerProvider | None) -> AsyncIterator[None]:
    """Spans are made of all that happens, until the context ends."""
    if provider is None:
        yield
        return
    from limner.telemetry.tracing import Traces

    traces = Traces(provider)

    def hear(batch: Sequence[Message]) -> None:
        for message in batch:
            body = message.body
            if isinstance(body, JobTaken):
                traces.taken(message.run or "", body.added, body.attempt, message.time)
            else:
                traces.hear(message.run, body, message.time)

    try:
        async with reading(bus, hear):
            yield
    finally:
        traces.close(time.time())
        await _shut_down(provider)


async def _shut_down(provider: TracerProvider) -> None:
    """Send what is left, if the collector takes it in time."""
    ending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    ending.start()
    until = time.monotonic() + LAST_SECONDS
    while ending.is_alive() and time.monotonic() < until:
        await asyncio.sleep(0.01)
