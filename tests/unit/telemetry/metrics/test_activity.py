"""What is counted of runs and steps."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from limner.engine.events import (
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepProgress,
    StepsCached,
    StepStarted,
)
from limner.engine.values import BLOCKED, Failure
from limner.telemetry.metrics import Activity
from limner.telemetry.metrics.tally import OTHER

Labels = frozenset[tuple[str, str]]


def told(activity: Activity, now: float = 100.0) -> Mapping[tuple[str, Labels], float]:
    """All samples, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in activity.snapshot(now)()
        for sample in metric.samples
    }


def of(**labels: str) -> Labels:
    return frozenset(labels.items())


def step(activity: Activity, kind: str, seconds: float, node: str = "1", run: str = "r") -> None:
    activity.hear(StepStarted(run, 1, node, node, kind), 0.0)
    activity.hear(StepFinished(run, 2, node, node, None, seconds, kind), seconds)


def test_the_time_of_a_node_is_told_by_its_type() -> None:
    activity = Activity()
    step(activity, "KSampler", 3.0)
    step(activity, "KSampler", 20.0)
    found = told(activity)
    assert found["limner_node_seconds_count", of(type="KSampler")] == 2
    assert found["limner_node_seconds_sum", of(type="KSampler")] == 23.0
    assert found["limner_node_seconds_bucket", of(type="KSampler", le="5.0")] == 1


def test_results_that_were_there_are_hits_and_not_runs_of_the_node() -> None:
    activity = Activity()
    activity.hear(StepsCached("r", 1, ("1", "2", "3"), types={"VAEDecode": 2, "CLIPTextEncode": 1}), 0.0)
    activity.hear(StepFinished("r", 2, "4", "4", None, 9.0, "VAEDecode"), 0.0)  # an equal step ran for it
    found = told(activity)
    assert found["limner_node_cache_hits_total", of(type="VAEDecode")] == 3
    assert found["limner_node_cache_hits_total", of(type="CLIPTextEncode")] == 1
    assert not [name for name, _ in found if name.startswith("limner_node_seconds")]


def test_failures_are_counted_but_for_blocks_and_interruptions() -> None:
    activity = Activity()
    for failure in (
        Failure("ValueError", "too large"),
        Failure(BLOCKED, "blocked"),
        Failure("Interrupted", "stopped", interrupted=True),
    ):
        activity.hear(StepStarted("r", 1, "1", "1", "KSampler"), 0.0)
        activity.hear(StepFailed("r", 2, "1", "1", "KSampler", failure), 1.0)
    assert told(activity)["limner_node_failures_total", of(type="KSampler")] == 1


def test_runs_are_told_by_their_end_and_waits_of_first_attempts_alone() -> None:
    activity = Activity()
    activity.taken(added=10.0, attempt=1, time=12.0)
    activity.taken(added=10.0, attempt=2, time=500.0)
    for status, seconds in (("done", 2.0), ("done", 4.0), ("failed", 1.0)):
        activity.hear(RunFinished("r", 9, status, seconds=seconds), 0.0)
    found = told(activity)
    assert found["limner_job_wait_seconds_count", of()] == 1 and found["limner_job_wait_seconds_sum", of()] == 2.0
    assert found["limner_run_seconds_sum", of(status="done")] == 6.0
    assert [found["limner_run_seconds_count", of(status=name)] for name in ("done", "failed", "cancelled")] == [2, 1, 0]


def test_progress_is_counted_in_steps_over_several_calls_of_a_node() -> None:
    activity = Activity()
    activity.hear(StepStarted("r", 1, "1", "1", "KSampler"), 0.0)
    for value in (1, 2, 3, 1, 2):  # the second call begins anew
        activity.hear(StepProgress("r", 2, "1", "1", value, 3), float(value))
    assert told(activity)["limner_progress_steps_total", of(type="KSampler")] == 5


def test_steps_a_second_are_those_of_running_steps_and_fall_when_nothing_comes() -> None:
    running = {"r"}
    activity = Activity(running=lambda: running)
    activity.hear(RunStarted("r", 0), 0.0)
    activity.hear(StepStarted("r", 1, "1", "1", "KSampler"), 0.0)
    for value in range(1, 6):
        activity.hear(StepProgress("r", 2, "1", "1", value, 20), value * 0.5)
    assert activity.rate(2.5) == pytest.approx(2.0)
    assert activity.rate(60.0) < 0.1
    running.clear()
    assert activity.rate(2.5) == 0.0


def test_a_thousand_node_types_are_not_a_thousand_labels() -> None:
    activity = Activity(most_types=10)
    for number in range(1000):
        step(activity, f"Type{number}", 1.0)
        activity.hear(StepsCached("r", 1, ("1",), types={f"Type{number}": 1}), 0.0)
    types = {dict(labels)["type"] for _, labels in told(activity) if "type" in dict(labels)}
    assert types == {*(f"Type{number}" for number in range(10)), OTHER}
    assert told(activity)["limner_node_seconds_count", of(type=OTHER)] == 990


def test_runs_that_never_end_are_not_kept_for_ever() -> None:
    activity = Activity()
    for number in range(2000):
        activity.hear(StepStarted(f"run{number}", 1, "1", "1", "KSampler"), 0.0)
    activity.hear(StepFinished("run1999", 2, "1", "1", None, 1.0, "KSampler"), 1.0)
    activity.hear(StepFinished("run0", 2, "1", "1", None, 1.0, "KSampler"), 1.0)
    found = told(activity)
    assert found["limner_node_seconds_count", of(type="KSampler")] == 1


def test_the_lag_is_that_of_the_oldest_of_a_batch() -> None:
    activity = Activity(backlog=lambda: 7)
    activity.read(3, oldest=10.0, now=10.25)
    found = told(activity)
    assert found["limner_events_total", of()] == 3 and found["limner_event_lag_seconds_sum", of()] == 0.25
    assert found["limner_event_backlog", of()] == 7
