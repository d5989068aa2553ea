"""A segment's tasks -> strands: tasks that one lane does one after the other, and the strands each must wait for.

Rules: a coroutine is a strand of its own. In the pools, a task continues the strand of the task that it needs, or
starts one: independent work overlaps. Device tasks share a strand as long as their order allows; there is one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from limner.engine.ports import Task
from limner.engine.values import Gathered, Held
from limner.graph import Lane


@dataclass(slots=True, eq=False)
class Strand:
    lane: Lane
    tasks: list[Task] = field(default_factory=list)
    after: set[int] = field(default_factory=set)
    """The numbers of the strands that it waits for, and of those that they wait for."""


def strands_of(tasks: Sequence[Task]) -> list[Strand]:
    """The strands, in an order that respects their needs."""
    if all(task.lane is Lane.DEVICE for task in tasks):
        return [Strand(Lane.DEVICE, list(tasks))]
    strands: list[Strand] = []
    home: dict[str, int] = {}
    device: int | None = None
    for task in tasks:
        needs = {home[source] for source in sources(task) if source in home}
        if task.lane is Lane.DEVICE:
            number = device if device is not None and needs <= strands[device].after | {device} else None
        else:
            number = _continued(task, needs, strands)
        if number is None:
            number = len(strands)
            after = needs.union(*(strands[need].after for need in needs)) if needs else set()
            strands.append(Strand(task.lane, [], after))
        strands[number].tasks.append(task)
        home[task.fingerprint] = number
        if task.lane is Lane.DEVICE:
            device = number
    return strands


def _continued(task: Task, needs: set[int], strands: list[Strand]) -> int | None:
    """The pool strand whose last task this one needs, if it needs nothing that the strand does not wait for."""
    if task.lane is Lane.ASYNC:
        return None
    for number in needs:
        strand = strands[number]
        last = strand.tasks[-1].fingerprint
        if strand.lane is task.lane and needs <= strand.after | {number} and last in sources(task):
            return number
    return None


def sources(task: Task) -> set[str]:
    """The fingerprints of the steps whose values it takes."""
    found: set[str] = set()
    for value in task.inputs.values():
        if isinstance(value, Held):
            found.add(value.fingerprint)
        elif isinstance(value, Gathered):
            found.update(part.fingerprint for part in value.parts)
    return found
