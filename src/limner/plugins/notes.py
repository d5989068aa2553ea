"""What a host needs of the place where it writes things down (`limner.stores.Journal` is one)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from limner.engine.values import Fingerprint, Values
from limner.sdk import Tape


class KeptTape(Tape, Protocol):
    def close(self) -> None:
        """The call is over, one way or the other."""
        ...


class Notes(Protocol):
    """Steps' values, decisions and tapes, by job; its methods may be called in any thread."""

    def open(self, key: str) -> None:
        """A job begins, or goes on."""
        ...

    def record(
        self, key: str, fingerprint: Fingerprint, outputs: Sequence[Sequence[object]], values: Values, *, bound: bool
    ) -> None:
        """Write down what a step gave, if it can be written; `bound`: for this job alone."""
        ...

    def find(self, fingerprint: Fingerprint) -> list[list[object]] | None:
        """The outputs of a step."""
        ...

    def once(self, key: str, name: str, decide: Callable[[], object]) -> tuple[object, bool]:
        """JSON that is decided once in a job, and whether it was decided in an earlier attempt."""
        ...

    def tape(self, key: str, name: str) -> KeptTape: ...

    def close_job(self, key: str, *, keep: bool = False) -> None:
        """The job has ended, or (`keep`) goes on another time."""
        ...

    def close(self) -> None:
        """Write what waits, and end."""
        ...
