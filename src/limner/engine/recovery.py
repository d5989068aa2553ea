"""What a run does when a host is gone: forget the values that were there, and make again those that are still needed.

This is the one place that looks at every step of a run. The links of all unfinished steps are taken apart and made anew
from what is left: what was needed and is not done is needed again, with all its lost sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .state import RunState, Status, StepState
from .values import Fingerprint, Handle, Values


def recover(state: RunState, place: str, recall: Callable[[Fingerprint], Values | None]) -> None:
    """Undo the steps whose values were in `place`, and need again whatever an unfinished step takes from them.

    What `recall` finds elsewhere (on the disk) is not made again. Steps that are SENT elsewhere stay so. Steps that are
    EXPANDED expand anew.
    """
    unfinished: list[StepState] = []
    for item in state.steps.values():
        item.consumers = []
        item.twins = []
        if item.status is Status.DONE:
            if item.values is not None and place in _places(item.values):
                item.values = recall(item.step.fingerprint)
                if item.values is None:
                    item.status = Status.IDLE
                    item.origin = ""
                    item.started = False
        elif item.status is not Status.IDLE:
            unfinished.append(item)
    state.restart(item for item in unfinished if item.status is Status.SENT)
    again = []
    for item in unfinished:
        if item.status is not Status.SENT:
            item.status = Status.IDLE
            item.waiting = 0
            item.results = ()
            if not _inside_expansion(item):
                again.append(item.step.node)
    state.need(again)


def _inside_expansion(item: StepState) -> bool:
    """Whether the step is needed for an expansion only, which will need it anew."""
    return item.parent is not None


def _places(values: Values) -> Iterator[str]:
    stack: list[Handle] = list(values.handles)
    while stack:
        handle = stack.pop()
        if handle.parts:
            stack.extend(handle.parts)
        else:
            yield handle.place
