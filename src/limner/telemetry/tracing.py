"""Traces: a span of every job and of each step in it, for an OpenTelemetry collector. Needs `pip install limner[otel]`.

Rules, stated once:

- A trace is found by its job: its id is the job's, a UUID without dashes (a digest of an id that is none). Attempts of
  one job are spans of one trace.
- A job's span begins when the job is queued, or goes on; `queue` in it ends when the job is taken.
- A step's span ends when its end is told, and has the length that the node ran for.
- A job that is paused, or whose server ends, has a span that ends there, with the status `interrupted`.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context

from limner.engine.events import RunFinished, RunStarted, StepFailed, StepFinished, StepsCached, StepStarted
from limner.engine.values import BLOCKED

MOST_JOBS = 1024
"""Jobs whose spans are open at a time."""
NANOSECONDS = 1_000_000_000


def provider(version: str) -> TracerProvider:
    """Where spans come from; add the processors that take them elsewhere. OTEL_RESOURCE_ATTRIBUTES adds to what it says
    of itself.
    """
    resource = Resource.create({SERVICE_NAME: "limner", SERVICE_VERSION: version})
    return TracerProvider(resource=resource, id_generator=JobIds(), shutdown_on_exit=False)


def trace_id(job: str) -> int:
    """The id of a job's trace."""
    try:
        found = uuid.UUID(job).int
    except ValueError:
        found = 0
    return found or int.from_bytes(blake2b(job.encode("utf-8", "replace"), digest_size=16).digest(), "big")


class JobIds(RandomIdGenerator):
    """Trace ids of jobs: that of `job` is the next."""

    job = ""

    def generate_trace_id(self) -> int:
        return trace_id(self.job) if self.job else super().generate_trace_id()


@dataclass(slots=True)
class _Open:
    """A job in progress."""

    span: Span
    context: Any
    begun: dict[str, float] = field(default_factory=dict)
    """When steps began, by inner node."""


class Traces:
    """Makes spans of what happens; one thread hears it."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("limner")
        self._ids = provider.id_generator
        self._jobs: OrderedDict[str, _Open] = OrderedDict()
        self._hear: Mapping[type, Callable[[_Open, Any, float], None]] = {
            RunStarted: self._run_started,
            StepsCached: self._cached,
            StepStarted: self._step_started,
            StepFinished: self._step_finished,
            StepFailed: self._step_failed,
            RunFinished: self._run_finished,
        }

    def taken(self, job: str, added: float, attempt: int, time: float) -> None:
        """A job leaves the queue for the n-th time; it was queued at `added` (Unix time)."""
        self._interrupt(job, time)
        begun = added if attempt == 1 else time
        if isinstance(self._ids, JobIds):
            self._ids.job = job
        attributes: dict[str, str | int] = {"limner.job": job, "limner.attempt": attempt}
        span = self._tracer.start_span(
            "job", context=Context(), kind=SpanKind.CONSUMER, attributes=attributes, start_time=_ns(begun)
        )
        context = set_span_in_context(span)
        self._jobs[job] = _Open(span, context)
        if attempt == 1:
            waiting = self._tracer.start_span("queue", context=context, start_time=_ns(added))
            waiting.end(_ns(time))
        if len(self._jobs) > MOST_JOBS:
            self._interrupt(next(iter(self._jobs)), time)

    def hear(self, run: str | None, event: object, time: float) -> None:
        """An engine event at a Unix time; others are ignored."""
        heard, job = self._hear.get(type(event)), self._jobs.get(run or "")
        if heard is not None and job is not None:
            heard(job, event, time)

    def close(self, time: float) -> None:
        """End what is open."""
        for job in list(self._jobs):
            self._interrupt(job, time)

    def _interrupt(self, job: str, time: float) -> None:
        found = self._jobs.pop(job, None)
        if found is not None:
            found.span.set_attribute("limner.status", "interrupted")
            found.span.end(_ns(time))

    def _run_started(self, job: _Open, event: RunStarted, time: float) -> None:
        job.span.set_attribute("limner.nodes", len(event.nodes))

    def _cached(self, job: _Open, event: StepsCached, time: float) -> None:
        job.span.set_attribute("limner.nodes_cached", len(event.nodes))

    def _step_started(self, job: _Open, event: StepStarted, time: float) -> None:
        job.begun[event.inner] = time

    def _step_finished(self, job: _Open, event: StepFinished, time: float) -> None:
        if job.begun.pop(event.inner, None) is not None:
            self._step(job, event, time - event.seconds).end(_ns(time))

    def _step_failed(self, job: _Open, event: StepFailed, time: float) -> None:
        span = self._step(job, event, job.begun.pop(event.inner, time))
        failure = event.failure
        if failure.kind == BLOCKED or failure.interrupted:
            span.set_attribute("limner.status", "blocked" if failure.kind == BLOCKED else "interrupted")
        else:
            trace = {"exception.stacktrace": "".join(failure.traceback)} if failure.traceback else {}
            said = {"exception.type": failure.kind, "exception.message": failure.message, **trace}
            span.add_event("exception", said, _ns(time))
            span.set_status(StatusCode.ERROR, failure.message)
        span.end(_ns(time))

    def _step(self, job: _Open, event: StepFinished | StepFailed, begun: float) -> Span:
        attributes = {"limner.node": event.node, "limner.node_type": event.type}
        if event.inner != event.node:
            attributes["limner.inner_node"] = event.inner
        return self._tracer.start_span(
            event.type or "step", context=job.context, attributes=attributes, start_time=_ns(begun)
        )

    def _run_finished(self, job: _Open, event: RunFinished, time: float) -> None:
        self._jobs.pop(event.run, None)
        job.span.set_attribute("limner.status", event.status)
        if event.status == "failed":
            job.span.set_status(StatusCode.ERROR, event.failure.message if event.failure is not None else "")
        job.span.end(_ns(time))


def _ns(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
