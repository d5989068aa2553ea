"""Which hosts hold which values: facts of what ran and what was stored, no I/O.

A host that was started again is another place: what it held before counts no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from limner.engine.values import Expansion, Fingerprint, Gathered, Handle, Held, Values

Name: TypeAlias = str
"""Of a host."""
Wanted: TypeAlias = tuple[Fingerprint, int]
"""An output of a step."""


@dataclass(slots=True)
class _Share:
    """What one host holds of a step: `place` is where in it, as the handles say.

    `made`: the step ran there, else it is a copy.
    """

    place: str
    made: bool
    outputs: set[int] = field(default_factory=set)


class Whereabouts:
    """`lives` says whether a place of a host is still there."""

    def __init__(self, lives: Callable[[Name, str], bool]) -> None:
        self._lives = lives
        self._shares: dict[Fingerprint, dict[Name, _Share]] = {}

    def copied(self, wanted: Wanted, name: Name, place: str) -> None:
        """The host holds a copy of this output, beside those outputs of the step that it holds already."""
        shares = self._shares.setdefault(wanted[0], {})
        share = shares.get(name)
        if share is None or not self._lives(name, share.place):
            share = shares[name] = _Share(place, made=False)
        share.outputs.add(wanted[1])

    def ran(self, fingerprint: Fingerprint, name: Name, place: str, result: object) -> None:
        """The step ended in the host, which holds what it gave; `place` is for a step that gave no values."""
        if isinstance(result, Values):
            outputs = {handle.output for handle in result.handles}
            place = result.handles[0].place if result.handles else place
        elif isinstance(result, Expansion):
            outputs = set(_held_in(result, fingerprint))
        else:
            return
        self._shares.setdefault(fingerprint, {})[name] = _Share(place, made=True, outputs=outputs)

    def holders(self, wanted: Wanted) -> list[Name]:
        """The hosts that hold it now."""
        return [
            name
            for name, share in self._shares.get(wanted[0], {}).items()
            if wanted[1] in share.outputs and self._lives(name, share.place)
        ]

    def of(self, fingerprint: Fingerprint) -> list[Name]:
        """The hosts that hold some of the step now."""
        shares = self._shares.get(fingerprint, {})
        return [name for name, share in shares.items() if self._lives(name, share.place)]

    def origin(self, wanted: Wanted) -> str:
        """The place that it was made in, which may be gone; empty where it came from the disk."""
        shares = self._shares.get(wanted[0], {}).values()
        return next((share.place for share in shares if share.made and wanted[1] in share.outputs), "")

    def prune(self) -> list[Fingerprint]:
        """Forget what nobody holds any more; returns it."""
        gone = [fingerprint for fingerprint in self._shares if not self.of(fingerprint)]
        for fingerprint in gone:
            del self._shares[fingerprint]
        return gone

    def release(self, fingerprint: Fingerprint) -> list[Name]:
        """Forget it; returns the hosts that hold some of it."""
        shares = self._shares.pop(fingerprint, {})
        return [name for name, share in shares.items() if self._lives(name, share.place)]


def _held_in(expansion: Expansion, fingerprint: Fingerprint) -> Iterator[int]:
    """The numbers of the values that an expansion left under its step's fingerprint."""
    for entry in expansion.results:
        for part in entry if isinstance(entry, tuple) else (entry,):
            if isinstance(part, Handle) and part.fingerprint == fingerprint:
                yield part.output
    for node in expansion.graph.nodes.values():
        for value in node.inputs.values():
            for held in value.parts if isinstance(value, Gathered) else (value,):
                if isinstance(held, Held) and held.fingerprint == fingerprint:
                    yield held.output
