"""The order in which the editor runs nodes, and writes them into a prompt."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from .sheet import Sheet


def execution_order(sheet: Sheet) -> list[str]:
    """Node ids, each after what it is linked to, else in the file's order; members of a cycle come last."""
    remaining: dict[str, int] = {}
    consumers: dict[tuple[str, int], list[str]] = {}
    ready: deque[str] = deque()
    for name, placed in sheet.nodes.items():
        links = [link for slot in placed.inputs if (link := sheet.link(slot.link))]
        remaining[name] = len(links)
        if not links:
            ready.append(name)
        for link in links:
            consumers.setdefault((link.origin, link.origin_slot), []).append(name)
    ordered: dict[str, None] = {}
    while ready:
        name = ready.popleft()
        ordered[name] = None
        placed = sheet.nodes[name]
        slots = max(len(placed.outputs), len(placed.node.outputs))
        for slot in range(slots):
            for consumer in consumers.get((name, slot), ()):
                remaining[consumer] -= 1
                if remaining[consumer] == 0:
                    ready.append(consumer)
    return [*ordered, *(name for name in sheet.nodes if name not in ordered)]


def as_written(prompt: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The prompt with its keys as a browser writes them: whole numbers first, upwards, then the rest as they come."""
    listed = list(names)
    numbers = sorted((name for name in listed if name.isdecimal() and str(int(name)) == name), key=int)
    known = set(numbers)
    return {name: prompt[name] for name in (*numbers, *(name for name in listed if name not in known))}
