"""Spans of jobs and their steps, as an exporter in memory gets them."""

from __future__ import annotations

import uuid

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from limner.engine.events import RunFinished, RunStarted, StepFailed, StepFinished, StepsCached, StepStarted
from limner.engine.values import BLOCKED, Failure
from limner.telemetry.tracing import MOST_JOBS, Traces, provider, trace_id

JOB = str(uuid.UUID(int=0xABC))


class Traced:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        made = provider("1.2")
        made.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = Traces(made)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def span(self, name: str) -> ReadableSpan:
        (found,) = self.spans(name)
        return found


@pytest.fixture
def traced() -> Traced:
    return Traced()


def seconds(span: ReadableSpan) -> tuple[float, float]:
    assert span.start_time is not None and span.end_time is not None
    return span.start_time / 1e9, span.end_time / 1e9


def test_a_job_is_one_trace_with_its_wait_and_a_span_for_each_step(traced: Traced) -> None:
    traces = traced.traces
    traces.taken(JOB, added=100.0, attempt=1, time=103.0)
    traces.hear(JOB, RunStarted(JOB, 1, ("3", "4")), 103.0)
    traces.hear(JOB, StepsCached(JOB, 2, ("1", "2")), 103.0)
    traces.hear(JOB, StepStarted(JOB, 3, "3", "3", "KSampler"), 103.0)
    traces.hear(JOB, StepFinished(JOB, 4, "3", "3", None, 5.0, "KSampler"), 108.5)
    traces.hear(JOB, StepFinished(JOB, 5, "4", "4", None, 5.0, "KSampler"), 108.5)  # shared the result of the first
    traces.hear(JOB, RunFinished(JOB, 6, "done", seconds=6.0), 109.0)
    job, queue, step = traced.span("job"), traced.span("queue"), traced.span("KSampler")
    assert seconds(job) == (100.0, 109.0) and seconds(queue) == (100.0, 103.0) and seconds(step) == (103.5, 108.5)
    assert job.context.trace_id == queue.context.trace_id == step.context.trace_id == 0xABC
    assert job.parent is None
    assert step.parent is not None and step.parent.span_id == job.context.span_id
    assert dict(step.attributes or {}) == {"limner.node": "3", "limner.node_type": "KSampler"}
    told = dict(job.attributes or {})
    assert (told["limner.job"], told["limner.status"], told["limner.nodes"], told["limner.nodes_cached"]) == (
        JOB,
        "done",
        2,
        2,
    )
    assert job.status.status_code is StatusCode.UNSET
    assert dict(job.resource.attributes)["service.name"] == "limner"


def test_a_failure_is_an_error_of_the_step_and_of_the_job(traced: Traced) -> None:
    traces, failure = traced.traces, Failure("ValueError", "too large", traceback=("line 1\n", "line 2"))
    traces.taken(JOB, 100.0, 1, 100.0)
    traces.hear(JOB, StepStarted(JOB, 1, "3", "3.1", "KSampler"), 101.0)
    traces.hear(JOB, StepFailed(JOB, 2, "3", "3.1", "KSampler", failure), 102.0)
    traces.hear(JOB, RunFinished(JOB, 3, "failed", failure=failure), 102.0)
    step = traced.span("KSampler")
    assert step.status.status_code is StatusCode.ERROR and step.status.description == "too large"
    (event,) = step.events
    assert dict(event.attributes or {}) == {
        "exception.type": "ValueError",
        "exception.message": "too large",
        "exception.stacktrace": "line 1\nline 2",
    }
    assert dict(step.attributes or {})["limner.inner_node"] == "3.1"
    assert traced.span("job").status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Failure(BLOCKED, "blocked"), "blocked"), (Failure("Interrupted", "stop", interrupted=True), "interrupted")],
)
def test_blocks_and_interruptions_are_no_errors(traced: Traced, failure: Failure, status: str) -> None:
    traced.traces.taken(JOB, 100.0, 1, 100.0)
    traced.traces.hear(JOB, StepFailed(JOB, 1, "3", "3", "KSampler", failure), 101.0)
    step = traced.span("KSampler")
    assert step.status.status_code is StatusCode.UNSET and dict(step.attributes or {})["limner.status"] == status


def test_attempts_of_a_job_are_spans_of_one_trace(traced: Traced) -> None:
    traced.traces.taken(JOB, 100.0, 1, 100.0)
    traced.traces.taken(JOB, 100.0, 2, 150.0)  # the server was ended in between
    traced.traces.hear(JOB, RunFinished(JOB, 1, "done"), 160.0)
    first, second = traced.spans("job")
    assert first.context.trace_id == second.context.trace_id
    assert dict(first.attributes or {})["limner.status"] == "interrupted" and seconds(first) == (100.0, 150.0)
    assert seconds(second) == (150.0, 160.0) and len(traced.spans("queue")) == 1


def test_what_is_open_ends_with_the_server_and_is_bounded(traced: Traced) -> None:
    for number in range(MOST_JOBS + 3):
        traced.traces.taken(f"job {number}", 100.0, 1, 100.0)
    assert len(traced.spans("job")) == 3
    traced.traces.close(200.0)
    assert len(traced.spans("job")) == MOST_JOBS + 3


def test_ids_that_are_no_uuids_have_a_trace_too() -> None:
    assert trace_id(JOB) == 0xABC
    assert trace_id("mine") == trace_id("mine") != trace_id("yours")
    assert 0 < trace_id(str(uuid.UUID(int=0))) < 2**128


def test_events_of_unknown_jobs_are_passed_over(traced: Traced) -> None:
    traced.traces.hear("none", RunFinished("none", 1, "done"), 1.0)
    traced.traces.hear(None, object(), 1.0)
    assert traced.spans("job") == []
