"""Which job runs on which worker. Facts in, matches out; no I/O, and a decision costs the same for any fleet.

Rules, stated once:

- Of the jobs that wait, only the first `LOOK` are looked at, in a fair order: higher priority first, then the owner who
  has had the least of the fleet, then who came first.
- A job goes to an idle worker that has its models. Those for which there is none let others of their priority pass,
  `PASSED` times for each worker, and longer where a worker that is at work has their models and is sooner done with
  what waits for them than the models could be loaded elsewhere. While workers are idle, what waits is counted by its
  share of the jobs that are looked at.
- Else it goes to the idle worker that has the fewest models to lose, and the quickest of these; first those jobs whose
  models no worker has.
- A reserve worker gets only what no other can run.
- A job that no worker can run is refused, with the reason of each, once no worker that could is expected (`settled`).
- Before all of them come runs that lost the worker that they had.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice

from limner.queue.job import Place

from .decisions import NOBODY, Claim, Decision, Match, Refusal, Run, WorkerName, WorkerState
from .facts import Capabilities, Model, Needs
from .shares import Shares

LOOK, MOST = 64, 512
"""Jobs that are looked at, those that no idle worker can run beside."""
PASSED = 4
KEPT_MODELS = 4
"""Models that a worker is taken to have at a time, where the memory that they take is not known."""
FIRST_LOAD, FIRST_RUN = 10.0, 1.0
"""Seconds that loading a model and running a job are taken to need, until it is known."""
SMOOTHING = 0.2
SLOWLY = 0.1
"""As slowly, what is thought of a worker's speed: steps of one type differ."""
CRAWL = 4.0
"""A worker that is so many times slower than others keeps no job for the sake of its models."""


class Matcher:
    """Knows workers, what they do, and what jobs need."""

    def __init__(self, needs_of: Callable[[Place], Needs]) -> None:
        """`needs_of` is asked once for each job that is looked at."""
        self._needs_of = needs_of
        self.workers: dict[WorkerName, WorkerState] = {}
        self._idle: set[WorkerName] = set()
        self._reserves: set[WorkerName] = set()
        self._holders: dict[Model, set[WorkerName]] = {}
        self._needs: dict[Run, Needs] = {}
        self._passed: dict[Run, int] = {}
        self._claims: OrderedDict[Run, Claim] = OrderedDict()
        self._expected: dict[WorkerName, Capabilities] = {}
        """Workers that are gone and may come back."""
        self._shares = Shares()
        self._unusable: dict[WorkerName, str] = {}
        self._held_back: dict[Run, float] = {}
        """Since when jobs wait for a worker that has their models."""
        self._run_seconds, self._load_seconds = FIRST_RUN, FIRST_LOAD
        self.settled = True
        """Whether all workers are there that are expected; until then nothing is refused."""

    # Facts

    def joined(self, name: WorkerName, capabilities: Capabilities, slots: int = 1) -> None:
        """A worker is there, new or again: it has no models."""
        self.left(name)
        self._expected.pop(name, None)
        self._unusable.pop(name, None)
        self.workers[name] = WorkerState(name, capabilities, slots)
        self._note_idle(self.workers[name])

    def left(self, name: WorkerName, *, expected: bool = False) -> Sequence[Run]:
        """A worker is gone; returns the runs that it had. `expected`: it may come back."""
        state = self.workers.pop(name, None)
        if not expected:
            self._expected.pop(name, None)
        if state is None:
            return ()
        if expected:
            self._expected[name] = state.capabilities
        for model in state.warm:
            self._holders[model].discard(name)
        self._idle.discard(name)
        self._reserves.discard(name)
        return tuple(state.busy)

    def unusable(self, name: WorkerName, reason: str) -> None:
        """The worker is there, and cannot be used."""
        self.left(name)
        self._unusable[name] = reason

    def can(self, name: WorkerName, capabilities: Capabilities) -> None:
        """What a worker can run has changed."""
        if name in self.workers:
            self.workers[name].capabilities = capabilities

    def reserve(self, name: WorkerName, reserve: bool) -> None:
        """Keep the worker for what no other can run, or do so no more."""
        if name in self.workers:
            self.workers[name].reserve = reserve
            self._note_idle(self.workers[name])

    def compared(self, name: WorkerName, times: float) -> None:
        """A step took this worker so many times what it takes others."""
        if name in self.workers:
            state = self.workers[name]
            state.speed = state.speed * (1 - SLOWLY) + min(times, 1.5 * CRAWL) * SLOWLY

    def drain(self, name: WorkerName) -> None:
        """The worker finishes what it has and gets nothing more."""
        if name in self.workers:
            self.workers[name].draining = True
            self._note_idle(self.workers[name])

    def began(self, run: Run, name: WorkerName, needs: Needs) -> None:
        """The run has a slot of this worker from now on, which has its models then."""
        state = self.workers[name]
        state.busy.add(run)
        self._note_idle(state)
        for model in needs.models:
            state.warm.pop(model, None)
            state.warm[model] = None
            self._holders.setdefault(model, set()).add(name)
        while len(state.warm) > max(KEPT_MODELS, len(needs.models)):
            lost, _ = state.warm.popitem(last=False)
            self._holders[lost].discard(name)

    def freed(self, run: Run, name: WorkerName) -> None:
        """The run leaves the slot to others."""
        state = self.workers.get(name)
        if state is not None and run in state.busy:
            state.busy.discard(run)
            self._note_idle(state)

    def took(self, owner: str, seconds: float, *, loaded: bool = False) -> None:
        """A run has ended after so many seconds; `loaded`: it had to load its models first."""
        if loaded:
            self._load_seconds = _smoothed(self._load_seconds, seconds - self._run_seconds)
        else:
            self._run_seconds = _smoothed(self._run_seconds, seconds)
        self._shares.took(owner, seconds)

    def claim(self, run: Run, needs: Needs, *, patient: bool = True) -> None:
        """A run that is under way wants a worker, before all that wait. Not `patient`: an idle one now, or none."""
        self._claims[run] = Claim(run, needs, patient)

    def unclaim(self, run: Run) -> None:
        self._claims.pop(run, None)

    def forget(self, run: Run) -> None:
        """The job waits no more."""
        for known in (self._needs, self._passed, self._held_back):
            known.pop(run, None)

    # Decisions

    @property
    def has_idle(self) -> bool:
        return bool(self._idle)

    @property
    def slots(self) -> int:
        """How many jobs run at a time, when all workers are at work."""
        return sum(state.slots for state in self.workers.values() if not (state.draining or state.reserve))

    def decide(self, waiting: Iterable[Place], length: int = 0, now: float = 0.0) -> Iterator[Decision]:
        """What is to be done now; each match takes its slot at once.

        `waiting` are the jobs in a fair order, `length` how many there are of them: more than are looked at, perhaps.
        `now` is in seconds, by any clock.
        """
        spare = any(self.workers[name].free for name in self._reserves)
        if not self._idle and not spare:
            return
        if len(self._needs) > 16 * MOST:  # of jobs that were deleted, mostly
            for known in (self._needs, self._passed, self._held_back):
                known.clear()
        cold: list[tuple[Run, Needs]] = []
        unable: list[tuple[Run, Needs]] = []
        queues = _Queues(self, now)
        overtaken, urgency, most_passed = 0, 0, PASSED * max(4, len(self.workers))
        for place in islice(waiting, MOST):
            if not (self._idle or spare) or len(cold) >= LOOK or (cold and place.priority < urgency):
                break  # what is more urgent comes before what would be quicker
            needs = self._known_needs(place)
            chosen = self._warm(needs)
            if chosen is None and self._best(needs) is None:
                unable.append((place.id, needs))
                continue
            if chosen is None and self._passed.get(place.id, 0) >= most_passed:
                chosen = None if queues.had_better_wait(place.id, needs, 1.0) else self._best(needs)
            if chosen is not None:
                overtaken = len(cold)
                yield self._matched(place.id, chosen, needs)
            else:
                urgency = place.priority
                cold.append((place.id, needs))
        for run, _ in cold[:overtaken]:
            self._passed[run] = self._passed.get(run, 0) + 1
        yield from self._decide_cold(cold, max(1.0, length / LOOK), now)
        yield from self._decide_unable(unable)

    def _decide_cold(self, jobs: Sequence[tuple[Run, Needs]], share: float, now: float) -> Iterator[Decision]:
        """Jobs for which no idle worker has the models; each stands for a `share` of all that wait."""
        later, queues = [], _Queues(self, now)
        for run, needs in jobs:  # what nobody has is to be loaded in any case
            if self._idle and not queues.holders(needs) and (chosen := self._best(needs)):
                yield self._matched(run, chosen, needs)
            else:
                later.append((run, needs))
        queues = _Queues(self, now)
        for run, needs in later:
            if self._idle and not queues.had_better_wait(run, needs, share) and (chosen := self._best(needs)):
                yield self._matched(run, chosen, needs)

    def _decide_unable(self, jobs: Sequence[tuple[Run, Needs]]) -> Iterator[Decision]:
        """Jobs that no idle worker can run: those that no other can either are for the reserve, or refused."""
        reasons: dict[Needs, str] = {}
        for run, needs in jobs:
            if needs not in reasons:
                reasons[needs] = self.impossible(needs)
            if reasons[needs] and (last := self._spare(needs)):
                yield self._matched(run, last, needs)
            elif reasons[needs] and self._final(needs):
                self.forget(run)
                yield Refusal(run, reasons[needs])

    def holders(self, needs: Needs) -> int:
        """How many workers are at work that have the job's models, and take the next job that needs them."""
        held = [self._holders.get(model) or NOBODY for model in needs.models]
        if not held:
            return 0
        fewest = min(held, key=len)
        states = (self.workers[name] for name in islice(fewest, LOOK) if all(name in names for names in held))
        found = sum(
            not (state.idle or state.reserve or state.draining)
            and state.speed < CRAWL
            and not state.capabilities.lacks(needs)
            for state in states
        )
        return found * max(len(fewest), LOOK) // LOOK  # of many, some stand for all

    def held_back(self, run: Run, now: float) -> float:
        """For how long the job waits for the sake of models, from the first time that this is asked."""
        return now - self._held_back.setdefault(run, now)

    def sooner(self, jobs: float, holders: int) -> bool:
        """Whether so many workers are sooner done with so many jobs than a model is loaded elsewhere."""
        return jobs * self._run_seconds / holders < self._load_seconds

    def patience(self) -> float:
        """Seconds that a job waits for models, by what was expected when it began to wait."""
        return 2 * self._load_seconds

    def victim(self, waiting: Place, running: Mapping[Run, Place]) -> Run | None:
        """The running job that has to leave its worker to one that waits, which is more urgent; None where none has."""
        needs = self._known_needs(waiting)
        if self.idle_for(needs):
            return None
        able = {
            run
            for state in self.workers.values()
            if state.busy and not state.draining and not state.capabilities.lacks(needs)
            for run in state.busy
        }
        less = [run for run, place in running.items() if run in able and place.priority < waiting.priority]
        return min(less, key=lambda run: running[run].priority, default=None)

    def _spare(self, needs: Needs) -> WorkerName:
        """A reserve worker that is free for this; nothing where there is none."""
        free = (state for name in self._reserves if (state := self.workers[name]).free)
        return next((state.name for state in free if not state.capabilities.lacks(needs)), "")

    def _final(self, needs: Needs) -> bool:
        """Whether no worker at all will do, not one in reserve that is at work either."""
        if not self.settled or not self.workers:
            return False
        return all(self.workers[name].capabilities.lacks(needs) for name in self._reserves)

    def impossible(self, needs: Needs) -> str:
        """Why none of the workers can run this, whether they are idle or not; nothing where one can."""
        reasons = dict(self._unusable)
        for name, state in self.workers.items():
            if state.reserve:
                continue
            reason = state.capabilities.lacks(needs)
            if not reason:
                return ""
            reasons[name] = reason
        if any(not capabilities.lacks(needs) for capabilities in self._expected.values()):
            return ""
        told = "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:5])
        more = f"; and {len(reasons) - 5} more" if len(reasons) > 5 else ""
        return f"no worker can run it: {told}{more}" if reasons else "there is no worker"

    def idle_for(self, needs: Needs) -> int:
        """How many workers could begin with this now."""
        return sum(not self.workers[name].capabilities.lacks(needs) for name in self._idle)

    def fair(self, heads: Mapping[str, Iterator[Place]]) -> Iterator[Place]:
        """The jobs of each owner in one fair order."""
        return self._shares.fair(heads, self._run_seconds)

    def answer_claims(self) -> Iterator[Decision]:
        """What is to be done now for those that have claimed a worker; before `decide`."""
        for run, claim in list(self._claims.items()):
            chosen = self._best(claim.needs)
            if chosen is None and claim.patient and self.impossible(claim.needs):
                chosen = self._spare(claim.needs) or None
            if chosen is not None:
                del self._claims[run]
                yield self._matched(run, chosen, claim.needs)
            elif not claim.patient:
                del self._claims[run]
            elif (reason := self.impossible(claim.needs)) and self._final(claim.needs):
                del self._claims[run]
                yield Refusal(run, reason)

    def _matched(self, run: Run, name: WorkerName, needs: Needs) -> Match:
        self.forget(run)
        cold = not needs.models <= self.workers[name].warm.keys()
        self.began(run, name, needs)
        return Match(run, name, needs, cold)

    def _warm(self, needs: Needs) -> WorkerName | None:
        """The quickest idle worker that has the job's models; any that is idle, where it needs none."""
        if not needs.models:
            return self._best(needs)
        warm = (self.workers[name] for name in self._idle_with(needs))
        able = (state for state in warm if state.speed < CRAWL and not state.capabilities.lacks(needs))
        quickest = min(able, key=lambda state: (state.speed, state.name), default=None)
        return None if quickest is None else quickest.name

    def _best(self, needs: Needs) -> WorkerName | None:
        """The idle worker that has the job's models; else the one that has the fewest to lose."""
        if not self._idle:
            return None
        if needs.models and (warm := self._warm(needs)):
            return warm
        best: tuple[int, float, WorkerName] | None = None
        for number, name in enumerate(self._idle):
            state = self.workers[name]
            rank = (len(state.warm), state.speed, name)
            if (best is None or rank < best) and not state.capabilities.lacks(needs):
                best = rank
            if best is not None and number >= LOOK:
                break
        return None if best is None else best[2]

    def _idle_with(self, needs: Needs) -> list[WorkerName]:
        """The idle workers that have all of the job's models."""
        held = [self._holders.get(model) or NOBODY for model in needs.models]
        fewest: Set[WorkerName] = self._idle
        for names in held:
            if len(names) < len(fewest):
                fewest = names
        return [name for name in fewest if name in self._idle and all(name in names for names in held)]

    def _known_needs(self, place: Place) -> Needs:
        needs = self._needs.get(place.id)
        if needs is None:
            needs = self._needs[place.id] = self._needs_of(place)
        return needs

    def _note_idle(self, state: WorkerState) -> None:
        (self._idle.add if state.idle else self._idle.discard)(state.name)
        (self._reserves.add if state.reserve else self._reserves.discard)(state.name)


class _Queues:
    """What waits for workers that have models, counted once in the order of the jobs."""

    def __init__(self, matcher: Matcher, now: float) -> None:
        self._matcher, self._now = matcher, now
        self._ahead: dict[Model, float] = {}
        self._holders: dict[Needs, int] = {}

    def holders(self, needs: Needs) -> int:
        """How many workers at work the job could wait for. Counted anew where there were none: some may be now."""
        found = self._holders.get(needs)
        if not found:
            found = self._holders[needs] = self._matcher.holders(needs)
        return found

    def had_better_wait(self, run: Run, needs: Needs, share: float) -> bool:
        """Whether workers that have its models, and are at work, are sooner done with all that wait for them."""
        holders = self.holders(needs)
        if not holders or self._matcher.held_back(run, self._now) > self._matcher.patience():
            return False
        key = min(needs.models)
        self._ahead[key] = self._ahead.get(key, 0.0) + share
        return self._matcher.sooner(self._ahead[key], holders)


def _smoothed(average: float, value: float) -> float:
    return average * (1 - SMOOTHING) + max(value, 0.001) * SMOOTHING
