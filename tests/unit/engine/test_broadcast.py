"""List inputs -> calls."""

from __future__ import annotations

import pytest

from limner.engine.broadcast import call_count, calls, merge


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, [{}]),
        ({"a": [1]}, [{"a": 1}]),
        ({"a": [1, 2]}, [{"a": 1}, {"a": 2}]),
        ({"a": [1, 2, 3], "b": [7, 8]}, [{"a": 1, "b": 7}, {"a": 2, "b": 8}, {"a": 3, "b": 8}]),
        ({"a": [], "b": [1]}, []),
    ],
)
def test_calls(inputs: dict[str, list[int]], expected: list[dict[str, int]]) -> None:
    assert list(calls(inputs)) == expected
    assert call_count({name: len(items) for name, items in inputs.items()}) == len(expected)


def test_a_list_wise_node_is_called_once() -> None:
    assert call_count({"a": 5, "b": 0}, list_wise=True) == 1


class Stop:
    pass


def test_merge_gathers_items_and_joins_list_outputs() -> None:
    stop = Stop()
    assert merge([(1, [2, 3]), (4, (5,))], [False, True]) == [[1, 4], [2, 3, 5]]
    assert merge([(1, stop), (stop, [5])], [False, True], (Stop,)) == [[1, stop], [stop, 5]]
    assert merge([], [False, True]) == [[], []]


def test_merge_refuses_the_wrong_shape() -> None:
    with pytest.raises(ValueError, match="returned 1 values, and has 2 outputs"):
        merge([(1,)], [False, False])
    with pytest.raises(TypeError, match="output 0 is a list output, and the node returned str"):
        merge([("text",)], [True])
