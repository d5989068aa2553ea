"""The order in which nodes can run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from .errors import ComfyUIError


def dependencies_first(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Node ids, each after those that it needs. Raises ComfyUIError that names the nodes of a cycle."""
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        around = " -> ".join(map(str, error.args[1]))
        raise ComfyUIError(f"the workflow has a cycle: {around}; remove one of these connections") from error
