"""Where all jobs of a queue stand: the order of both queues.

The jobs that wait are kept sorted by their rank, all of them and each owner's, so that adding, removing and finding the
n-th of them cost O(log n), however long the queue is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from sortedcontainers import SortedList

from .job import Place, State

Rank = tuple[int, float, int, str]


class Order:
    """Who is next, and who else is there."""

    def __init__(self) -> None:
        self._waiting: dict[str, Place] = {}
        self._running: dict[str, Place] = {}
        self._paused: dict[str, Place] = {}
        self._ranks: SortedList = SortedList()
        self._of_owners: dict[str, SortedList] = {}
        self._by_state = {State.WAITING: self._waiting, State.RUNNING: self._running, State.PAUSED: self._paused}

    def __contains__(self, job: str) -> bool:
        return self.state(job) is not None

    def fill(self, waiting: Sequence[Place], paused: Iterable[Place]) -> None:
        """Begin with these jobs: quicker than one by one."""
        self._waiting.update((place.id, place) for place in waiting)
        self._ranks.update(place.rank for place in waiting)
        for place in waiting:
            if place.owner:
                self._of_owners.setdefault(place.owner, SortedList()).add(place.rank)
        self._paused.update((place.id, place) for place in paused)

    def state(self, job: str) -> State | None:
        return next((state for state, places in self._by_state.items() if job in places), None)

    def place(self, job: str) -> Place | None:
        return self._waiting.get(job) or self._running.get(job) or self._paused.get(job)

    def count(self, state: State, owner: str | None = None) -> int:
        """How many jobs are in this state: all, or those of one owner."""
        if owner is None:
            return len(self._by_state[state])
        if state is State.WAITING and owner:
            return len(self._of_owners.get(owner, ()))
        return sum(place.owner == owner for place in self._by_state[state].values())

    def places(
        self, state: State, owner: str | None = None, offset: int = 0, limit: int | None = None
    ) -> tuple[Place, ...]:
        """The jobs of one state, from the `offset`-th on: those that wait as they will run, others as they came."""
        end = None if limit is None else offset + limit
        return tuple(islice(self._of(state, owner, offset), None if end is None else end - offset))

    def _of(self, state: State, owner: str | None, offset: int) -> Iterator[Place]:
        if state is State.WAITING and owner != "":
            ranks = self._ranks if owner is None else self._of_owners.get(owner, ())
            ordered: Iterator[Rank] = ranks.islice(offset) if isinstance(ranks, SortedList) else iter(())
            return (self._waiting[rank[3]] for rank in ordered)
        if state is State.WAITING:
            places: Iterator[Place] = (self._waiting[rank[3]] for rank in self._ranks)
        else:
            places = iter(self._by_state[state].values())
        return islice((place for place in places if owner is None or place.owner == owner), offset, None)

    def owners(self) -> tuple[str, ...]:
        """Whose jobs wait."""
        owned = sum(map(len, self._of_owners.values()))
        return (*(("",) if owned < len(self._waiting) else ()), *self._of_owners)

    def first(self) -> Place | None:
        """The job that would run next."""
        return self._waiting[self._ranks[0][3]] if self._ranks else None

    def push(self, place: Place, state: State = State.WAITING) -> None:
        """The job is in this state now, as this record of it says."""
        if state is State.WAITING:
            self._waiting[place.id] = place
            self._ranks.add(place.rank)
            if place.owner:
                self._of_owners.setdefault(place.owner, SortedList()).add(place.rank)
        else:
            self._by_state[state][place.id] = place

    def pull(self, job: str, *states: State) -> Place | None:
        """Take the job out, if it is in one of these states."""
        for state in states:
            place = self._by_state[state].pop(job, None)
            if place is not None:
                if state is State.WAITING:
                    self._forget(place)
                return place
        return None

    def _forget(self, place: Place) -> None:
        self._ranks.remove(place.rank)
        own = self._of_owners.get(place.owner)
        if own is not None:
            own.remove(place.rank)
            if not own:
                del self._of_owners[place.owner]

    def index(self, place: Place) -> int:
        """How many jobs are before this waiting one."""
        found: int = self._ranks.index(place.rank)
        return found

    def between(self, before: Place | None, after: Place | None) -> float | None:
        """A number between those of two neighbours of one priority; None where there is no room for another."""
        if before is None or after is None:
            edge = after or before
            return 0.0 if edge is None else edge.number + (1.0 if before is not None else -1.0)
        middle = before.number + (after.number - before.number) / 2
        return middle if before.number < middle < after.number and math.isfinite(middle) else None

    def renumbered(self, priority: int) -> list[Place]:
        """The waiting jobs of one priority with numbers that have room between them, in the same order."""
        places = [place for place in self._waiting.values() if place.priority == priority]
        places.sort(key=lambda place: place.rank)
        return [replace(place, number=float(number)) for number, place in enumerate(places)]
