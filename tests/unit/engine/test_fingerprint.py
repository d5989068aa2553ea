"""What makes two steps interchangeable."""

from __future__ import annotations

import pytest

from limner.engine.fingerprint import always_changed, fingerprint
from limner.graph import Link

UPSTREAM = {"a": "1111", "b": "2222", "same as a": "1111"}


def of(**inputs: object) -> str:
    return fingerprint("T", "1", inputs, UPSTREAM)


VALUES = [
    1,
    1.0,
    True,
    "1",
    None,
    "None",
    [],
    {},
    [1],
    ["1"],
    {"a": 1},
    Link("a", 0),
    Link("a", 1),
    Link("b", 0),
    "'x'=1",
    float("nan"),
    2**70,
]


def test_different_values_differ() -> None:
    found = [of(x=value) for value in VALUES]
    assert len(set(found)) == len(VALUES)


@pytest.mark.parametrize("value", VALUES)
def test_equal_values_agree(value: object) -> None:
    assert of(x=value) == of(x=value)


def test_the_order_of_inputs_and_keys_does_not_matter() -> None:
    assert of(x=1, y=2) == of(y=2, x=1)
    assert of(x={"a": 1, "b": 2}) == of(x={"b": 2, "a": 1})


def test_names_cannot_run_into_values() -> None:
    assert of(x="1\n'y'=2") != of(x="1", y=2)
    assert of(x="a", y="b") != of(x="a\n'y'='b'")


def test_what_a_link_leads_to_counts_and_not_its_name() -> None:
    assert of(x=Link("a", 0)) == of(x=Link("same as a", 0))


def test_type_version_and_marks_count() -> None:
    plain = fingerprint("T", "1", {}, {})
    others = [fingerprint("U", "1", {}, {}), fingerprint("T", "2", {}, {}), fingerprint("T", "1", {}, {}, ["id 5"])]
    assert len({plain, *others}) == 4


def test_lone_surrogates_are_hashed() -> None:
    assert of(x="\ud800") != of(x="\ud801")


@pytest.mark.parametrize(("token", "expected"), [(float("nan"), True), (1.0, False), (None, False), ("nan", False)])
def test_a_nan_token_never_equals(token: object, expected: bool) -> None:
    assert always_changed(token) is expected
