"""Counting: bounded names, and distributions as Prometheus has them."""

from __future__ import annotations

from limner.telemetry.metrics.tally import OTHER, Bounded, Distribution


def test_the_first_names_are_themselves_and_later_ones_are_other() -> None:
    named = Bounded(2)
    assert [named(name) for name in ("a", "b", "c", "a", "d", "b")] == ["a", "b", OTHER, "a", OTHER, "b"]


def test_buckets_are_cumulated_and_a_bound_belongs_to_the_bucket_below_it() -> None:
    times = Distribution((1.0, 5.0))
    for value in (0.5, 1.0, 2.0, 5.0, 7.0):
        times.add(value)
    counts = times.copy()
    assert counts.buckets() == [("1.0", 2.0), ("5.0", 4.0), ("+Inf", 5.0)] and counts.sum == 15.5


def test_a_copy_stays_as_it_was() -> None:
    times = Distribution((1.0,))
    before = times.copy()
    times.add(3.0)
    assert before.buckets()[-1] == ("+Inf", 0.0) and times.copy().buckets()[-1] == ("+Inf", 1.0)
