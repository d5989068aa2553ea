"""Which branches of a graph run on workers of their own. Pure: steps and what they take, in; a track of each, out.

Rules, stated once:

- A step is heavy when it takes `HEAVY` seconds or more, by what its type has taken so far.
- Heavy steps are put on tracks in the order of the plan: after the heavy step that they wait for, if that track is free
  then; else on the track that is free first. Light steps run with the first step that takes what they give.
- More than one track is worth it when the whole then takes `GAIN` seconds and a fifth less than on one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from limner.engine.plan import Step
from limner.graph import Link, NodeId

HEAVY = 0.5
GAIN = 1.0
SHARE = 0.8
HAND_OVER = 0.05
"""Seconds that a value takes from one worker to another, about."""


def tracks(steps: Sequence[Step], seconds: Callable[[str], float], most: int) -> Mapping[NodeId, int]:
    """The track of each step, counted from 0; all are 0 where one track does. `most` tracks at most."""
    alone = {step.node: 0 for step in steps}
    if most < 2:
        return alone
    needs = {step.node: [*step.needs, *(link.node for link in _lazy_links(step))] for step in steps}
    cost = {step.node: seconds(step.schema.type) for step in steps}
    heavy = [step.node for step in steps if cost[step.node] >= HEAVY]
    if len(heavy) < 2:
        return alone
    placed, end = _placed(steps, needs, cost, frozenset(heavy), most)
    whole = sum(cost[node] for node in heavy)
    if end > whole * SHARE or whole - end < GAIN:
        return alone
    return _with_light(steps, needs, placed)


def _lazy_links(step: Step) -> list[Link]:
    return [value for name, value in step.inputs.items() if name in step.lazy and isinstance(value, Link)]


def _placed(
    steps: Sequence[Step],
    needs: Mapping[NodeId, Sequence[NodeId]],
    cost: Mapping[NodeId, float],
    heavy: frozenset[NodeId],
    most: int,
) -> tuple[dict[NodeId, int], float]:
    """The tracks of the heavy steps, and when the last of them ends, in seconds from the start."""
    free = [0.0] * most
    ready: dict[NodeId, float] = {}
    """When what a step gives is there, and on which track it lies (None: nowhere in particular)."""
    home: dict[NodeId, int | None] = {}
    placed: dict[NodeId, int] = {}
    for step in steps:
        node = step.node
        sources = [source for source in needs[node] if source in ready]
        if node not in heavy:
            ready[node] = max((ready[source] for source in sources), default=0.0)
            latest = max(sources, key=ready.__getitem__, default=None)
            home[node] = None if latest is None else home[latest]
            continue

        def start(track: int, sources: Sequence[NodeId] = sources) -> float:
            there = (ready[one] + (0.0 if home[one] in (None, track) else HAND_OVER) for one in sources)
            return max([free[track], *there])

        track = min(range(most), key=lambda track: (start(track), track))
        placed[node] = track
        free[track] = ready[node] = start(track) + cost[node]
        home[node] = track
    return placed, max(free)


def _with_light(
    steps: Sequence[Step], needs: Mapping[NodeId, Sequence[NodeId]], placed: Mapping[NodeId, int]
) -> Mapping[NodeId, int]:
    """Light steps run where the first that takes from them does; the last ones where what they take lies."""
    found = dict(placed)
    for step in reversed(steps):
        if step.node in found:
            for source in needs[step.node]:
                found.setdefault(source, found[step.node])
    for step in steps:
        if step.node not in found:
            found[step.node] = next((found[source] for source in needs[step.node] if source in found), 0)
    return found
