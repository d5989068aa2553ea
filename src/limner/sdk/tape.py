"""What a long call has done so far, so that an interrupted one goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Tape(Protocol):
    """Tensors and plain data, one after the other. A call that finds some goes on behind them.

    tape = context.tape()
    for item in tape.recorded(): ...    # what an earlier attempt of this call had done
    tape.add(item)                      # done; on disk within seconds
    tape.finish()                       # the call is at its end: what is not on disk yet need not get there
    """

    def recorded(self) -> Sequence[object]:
        """What earlier attempts of this call added. Ask it once, before adding."""
        ...

    def add(self, item: object) -> None: ...

    def finish(self) -> None: ...


class BlankTape:
    """A tape that forgets."""

    def recorded(self) -> Sequence[object]:
        return ()

    def add(self, item: object) -> None:
        """Nobody will ask."""

    def finish(self) -> None:
        """There is nothing to forget."""
