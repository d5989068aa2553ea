"""List inputs -> calls. Pure, used by hosts.

Every value is a list of items. An ordinary node is called once per item of its longest input; a shorter input repeats
its last item. A list-wise node (INPUT_IS_LIST) is called once, with the whole lists. An input of no items at all means
no calls, so that every output is an empty list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def call_count(lengths: Mapping[str, int], list_wise: bool = False) -> int:
    """How often a node with inputs of these lengths is called."""
    if list_wise or not lengths:
        return 1
    return 0 if 0 in lengths.values() else max(lengths.values())


def calls(inputs: Mapping[str, Sequence[Item]]) -> Iterator[dict[str, Item]]:
    """The inputs of each call of an ordinary node, one item each."""
    count = call_count({name: len(items) for name, items in inputs.items()})
    for index in range(count):
        yield {name: items[index] if index < len(items) else items[-1] for name, items in inputs.items()}


def merge(
    results: Sequence[Sequence[object]], is_list: Sequence[bool], whole: tuple[type, ...] = ()
) -> list[list[object]]:
    """Outputs of several calls -> one list of items per output; a list output's items are joined.

    `is_list` has one entry an output; a value of a class in `whole` (a blocker) stands as one item in any output.
    Raises ValueError when a call gave another number of outputs, TypeError when a list output is not a list.
    """
    merged: list[list[object]] = [[] for _ in is_list]
    for result in results:
        if len(result) != len(is_list):
            raise ValueError(f"the node returned {len(result)} values, and has {len(is_list)} outputs")
        for index, (items, value, joined) in enumerate(zip(merged, result, is_list, strict=True)):
            if not joined or isinstance(value, whole):
                items.append(value)
            elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
                items.extend(value)
            else:
                raise TypeError(f"output {index} is a list output, and the node returned {type(value).__name__}")
    return merged
