"""What is kept of the latest runs, so that each can say why its steps did or did not run (see `reasons`).

Keeping costs nothing while a run lasts: a record is the run's own bookkeeping, not thrown away. The oldest are, when
all together hold more than `MOST_STEPS` steps.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from limner.graph import Catalog, Graph, NodeId

from .state import RunState, StepState
from .values import Fingerprint

MOST_STEPS = 50_000
FEWEST_RUNS = 2


@dataclass(slots=True, eq=False)
class Record:
    """One run: what was asked for, and what became of each step. `over` when nothing more will happen in it."""

    run: str
    graph: Graph
    catalog: Catalog
    state: RunState
    tokens: Mapping[NodeId, object]
    """The change tokens of the nodes that have one."""
    cancelled: bool = False
    over: bool = False
    size: int = 0
    """Steps, when it is over."""
    _made: dict[Fingerprint, StepState] = field(default_factory=dict)

    def made(self, fingerprint: Fingerprint) -> StepState | None:
        """A step of this run that has the values of this fingerprint."""
        if not self._made and self.over:
            self._made = {
                state.step.fingerprint: state for state in self.state.steps.values() if state.values is not None
            }
        return self._made.get(fingerprint)


class Ledger:
    """The latest runs, oldest first."""

    def __init__(self, most_steps: int = MOST_STEPS) -> None:
        self._most = most_steps
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._steps = 0
        """Of all records that are over."""

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, run: str) -> bool:
        return run in self._records

    def begin(self, record: Record) -> None:
        """A run begins; one of the same id is forgotten."""
        self._drop(record.run)
        self._records[record.run] = record

    def end(self, run: str, *, cancelled: bool = False) -> None:
        """The run is over; the oldest records may go for it."""
        record = self._records.get(run)
        if record is None:
            return
        record.over, record.cancelled, record.size = True, cancelled, len(record.state.steps)
        self._steps += record.size
        while self._steps > self._most and len(self._records) > FEWEST_RUNS:
            self._drop(next(iter(self._records)))

    def _drop(self, run: str) -> None:
        record = self._records.pop(run, None)
        if record is not None:
            self._steps -= record.size

    def get(self, run: str) -> Record | None:
        return self._records.get(run)

    def before(self, run: str) -> Iterator[Record]:
        """The runs that began before this one, the latest first."""
        earlier: list[Record] = []
        for name, record in self._records.items():
            if name == run:
                break
            earlier.append(record)
        return reversed(earlier)
