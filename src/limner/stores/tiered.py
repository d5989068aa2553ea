"""Memory before disk: what is found in memory is not looked for on the disk."""

from __future__ import annotations

from collections.abc import Sequence

from limner.engine.ports import Cache
from limner.engine.values import DISK, Fingerprint, Values


class TieredCache:
    """`engine.ports.Cache` over two others."""

    def __init__(self, memory: Cache, disk: Cache) -> None:
        self._memory, self._disk = memory, disk

    def get(self, fingerprint: Fingerprint) -> Values | None:
        return self._memory.get(fingerprint) or self._disk.get(fingerprint)

    def put(self, fingerprint: Fingerprint, values: Values) -> Sequence[Fingerprint]:
        """The result of an expansion may be that of a step on the disk, which is not there for long: not for memory."""
        self._disk.put(fingerprint, values)
        places = {leaf.place for handle in values.handles for leaf in (handle.parts or (handle,))}
        return () if DISK in places else self._memory.put(fingerprint, values)

    def hold(self, run: str, fingerprints: Sequence[Fingerprint]) -> None:
        self._memory.hold(run, fingerprints)
        self._disk.hold(run, fingerprints)

    def let_go(self, run: str) -> Sequence[Fingerprint]:
        return [*self._memory.let_go(run), *self._disk.let_go(run)]

    def forget(self, place: str) -> None:
        self._memory.forget(place)
        self._disk.forget(place)

    def clear(self) -> Sequence[Fingerprint]:
        return [*self._memory.clear(), *self._disk.clear()]
