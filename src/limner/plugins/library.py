"""The node types that a host can run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from limner.sdk import Implementation


@dataclass(frozen=True, slots=True)
class LoadProblem:
    """A pack, or one node of it, that could not be loaded; the rest of the library works."""

    source: str
    message: str
    traceback: str = ""


class Library(Mapping[str, Implementation]):
    """Implementations by node type; a later one of the same type replaces an earlier one."""

    def __init__(self, implementations: Iterable[Implementation] = (), problems: Iterable[LoadProblem] = ()) -> None:
        self._nodes = {implementation.schema.type: implementation for implementation in implementations}
        self.problems: tuple[LoadProblem, ...] = tuple(problems)

    def __getitem__(self, node_type: str) -> Implementation:
        return self._nodes[node_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def including(self, implementations: Iterable[Implementation], problems: Iterable[LoadProblem] = ()) -> Library:
        return Library([*self._nodes.values(), *implementations], [*self.problems, *problems])
