"""Metrics from several sources, written out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from limner.telemetry.metrics import Exposition
from limner.telemetry.metrics import families as f


def copied() -> Callable[[], Iterable[Metric]]:
    return lambda: [f.QUEUE_SIZE.of(4), f.EVENTS.of(9)]


def fails_to_copy() -> Callable[[], Iterable[Metric]]:
    raise RuntimeError("gone")


def fails_to_make() -> Callable[[], Iterable[Metric]]:
    def make() -> Iterable[Metric]:
        yield f.READY.of(1)
        raise RuntimeError("gone")

    return make


async def test_prometheus_text_is_given_and_open_metrics_where_it_is_wanted() -> None:
    exposition = Exposition([copied])
    text, kind = await exposition.scrape()
    assert kind.startswith("text/plain") and "comfyui_queue_size 4.0" in text.decode()
    text, kind = await exposition.scrape("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert "limner_events" in {family.name for family in open_metrics(text.decode())}


async def test_a_source_that_fails_does_not_keep_the_others_from_being_told() -> None:
    text, _ = await Exposition([fails_to_copy, fails_to_make, copied]).scrape()
    names = {family.name for family in text_string_to_metric_families(text.decode())}
    assert "comfyui_queue_size" in names and "limner_ready" not in names
    assert "process_resident_memory_bytes" in names


async def test_numbers_are_copied_in_the_loop_and_written_elsewhere() -> None:
    seen: list[int] = []

    def source() -> Callable[[], Iterable[Metric]]:
        seen.append(threading.get_ident())

        def make() -> Iterable[Metric]:
            seen.append(threading.get_ident())
            return ()

        return make

    await Exposition([source]).scrape()
    assert seen[0] == threading.get_ident() != seen[1]
