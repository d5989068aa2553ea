"""The values that a host holds, by the fingerprint of the step that made them. Each output is a list of items.

A value stays until it is released. One that is not held may be found elsewhere (on the disk): it is borrowed, until
`give_back`. Threads share the store: every operation is one dict operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from limner.engine.values import Fingerprint, Gathered, Handle, Held
from limner.sdk import Blocked

from .sizes import size_of

ABSENT: list[object] = []
"""In place of an output that is held by another host alone."""


class LostValue(LookupError):
    """A step needs a value that this host does not hold (any more)."""

    def __init__(self, fingerprint: Fingerprint, output: int) -> None:
        self.fingerprint, self.output = fingerprint, output
        super().__init__(f"output {output} of step {fingerprint[:12]} is not held")


class ValueStore:
    """Fingerprint -> the items of each output. `find` looks for what is not held."""

    def __init__(
        self, place: str, find: Callable[[Fingerprint], Sequence[list[object]] | None] = lambda fingerprint: None
    ) -> None:
        self.place = place
        self._find = find
        self._outputs: dict[Fingerprint, tuple[list[object], ...]] = {}
        self._borrowed: dict[Fingerprint, tuple[list[object], ...]] = {}

    def __len__(self) -> int:
        return len(self._outputs)

    def __contains__(self, fingerprint: Fingerprint) -> bool:
        return fingerprint in self._outputs

    def put(self, fingerprint: Fingerprint, outputs: Sequence[list[object]]) -> tuple[Handle, ...]:
        """Hold these outputs in place of what the fingerprint held before; returns a handle to each."""
        self._outputs[fingerprint] = tuple(outputs)
        return tuple(self._handle(fingerprint, number, items) for number, items in enumerate(outputs))

    def add(self, fingerprint: Fingerprint, outputs: Mapping[int, list[object]]) -> None:
        """Hold these outputs of a step that ran in another host, beside those of it that are held already."""
        held = self._outputs.get(fingerprint, ())
        count = max([len(held), *(number + 1 for number in outputs)])
        known = {number: items for number, items in enumerate(held) if items is not ABSENT}
        self._outputs[fingerprint] = tuple({**known, **outputs}.get(number, ABSENT) for number in range(count))

    def items(self, source: Held | Gathered) -> list[object]:
        """The items of a held value, not to be changed. Raises LostValue."""
        if isinstance(source, Held):
            outputs = self._outputs.get(source.fingerprint) or self._borrow(source.fingerprint)
            if outputs is None or source.output >= len(outputs) or outputs[source.output] is ABSENT:
                raise LostValue(source.fingerprint, source.output)
            items = outputs[source.output]
            return _opened(items) if source.spread else items
        return [item for part in source.parts for item in self.items(part)]

    def _borrow(self, fingerprint: Fingerprint) -> tuple[list[object], ...] | None:
        outputs = self._borrowed.get(fingerprint)
        if outputs is None and fingerprint not in self._outputs:
            found = self._find(fingerprint)
            outputs = None if found is None else self._borrowed.setdefault(fingerprint, tuple(found))
        return outputs

    def outputs(self, fingerprint: Fingerprint) -> Sequence[list[object]]:
        """All that is held of a step."""
        return self._outputs.get(fingerprint, ())

    def give_back(self) -> None:
        """Forget what was borrowed."""
        self._borrowed.clear()

    def release(self, fingerprints: Iterable[Fingerprint]) -> None:
        for fingerprint in fingerprints:
            self._outputs.pop(fingerprint, None)

    def clear(self) -> None:
        self._outputs.clear()

    def _handle(self, fingerprint: Fingerprint, number: int, items: list[object]) -> Handle:
        if len(items) == 1:
            item = items[0]
            if isinstance(item, Blocked):
                return Handle(fingerprint, number, self.place, 0, 1, item.message or "")
            return Handle(fingerprint, number, self.place, size_of(item))
        blocked = _all_blocked(items)
        return Handle(fingerprint, number, self.place, 0 if blocked else size_of(items), len(items), blocked)


def _opened(items: list[object]) -> list[object]:
    return [leaf for item in items for leaf in (item if isinstance(item, list | tuple) else (item,))]


def _all_blocked(items: list[object]) -> str | None:
    """The first message, where every item is a blocker; None where there is a value among them, or nothing at all."""
    messages = [item.message for item in items if isinstance(item, Blocked)]
    if not items or len(messages) < len(items):
        return None
    return next((message for message in messages if message), "")
