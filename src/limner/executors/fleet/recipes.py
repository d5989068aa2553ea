"""How values came to be, so that what cannot cross (a model, and what was made of it) is made again elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from limner.engine.ports import Task
from limner.engine.values import Fingerprint

from ..exchange import wanted_by


@dataclass(frozen=True, slots=True)
class Recipe:
    """The task that made it, and the recipes of what that took; they stay as long as this one does."""

    task: Task
    sources: Mapping[Fingerprint, Recipe]


class Recipes:
    """Of the steps that ran, until they are released."""

    def __init__(self) -> None:
        self._known: dict[Fingerprint, Recipe] = {}

    def note(self, task: Task) -> None:
        """The task is run somewhere."""
        wanted = {fingerprint for (fingerprint, _), _ in wanted_by(task)}
        sources = {fingerprint: self._known[fingerprint] for fingerprint in wanted if fingerprint in self._known}
        self._known[task.fingerprint] = Recipe(task, sources)

    def knows(self, fingerprint: Fingerprint) -> bool:
        return fingerprint in self._known

    def forget(self, fingerprint: Fingerprint) -> None:
        self._known.pop(fingerprint, None)

    def steps_to(self, fingerprint: Fingerprint, have: Callable[[Fingerprint], bool]) -> list[Task]:
        """The tasks that make it, in order, without those whose values one `have`s; nothing where it is not known."""
        recipe = self._known.get(fingerprint)
        return [] if recipe is None else list(_in_order(recipe, have))


def _in_order(recipe: Recipe, have: Callable[[Fingerprint], bool]) -> Iterator[Task]:
    done: set[Fingerprint] = set()
    waiting: list[tuple[Recipe, bool]] = [(recipe, False)]
    while waiting:
        current, ready = waiting.pop()
        fingerprint = current.task.fingerprint
        if fingerprint in done or (current is not recipe and have(fingerprint)):
            continue
        if ready:
            done.add(fingerprint)
            yield current.task
            continue
        waiting.append((current, True))
        waiting += [(source, False) for source in current.sources.values()]
