"""The server's own hosts and workers that come and go, as one executor.

    fleet = Fleet(home, needs=...)
    fleet.joined("gpu-1", worker, capabilities)
    fleet.assign("run", "gpu-1")            # by whoever takes jobs from the queue, before the run begins

Rules, stated once:

- What reads or writes the server's files (loading inputs, saving outputs) runs at home, once, whatever happens to
  workers; all else where the run has its seat. Values cross as they do between the hosts of one machine.
- A run has one seat, and more where its branches are worth it (see `tracks`), as long as workers are idle.
- A model that another worker needs is not sent: its step runs there too (`recipes`).
- A run whose worker is gone takes the next that is free, before all jobs that wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from limner.engine.plan import Step
from limner.engine.ports import (
    Answer,
    Ended,
    HostLost,
    HostUnavailable,
    Inquiry,
    Report,
    Reporter,
    Segment,
    ValuesLost,
)
from limner.engine.values import Failure, Fingerprint, Values
from limner.graph import NodeId, NodeSchema

from ..exchange import CANNOT_CROSS, EARLIER, CannotBring, Exchange, Host, wanted_by
from ..whereabouts import Name, Wanted
from .decisions import Decision, Match
from .facts import Capabilities, Needs
from .matching import Matcher
from .recipes import Recipes
from .tracks import tracks

log = logging.getLogger(__name__)

HOME = "home"
COMPARED = 0.05
"""Seconds that a step takes at least by whose time workers are compared."""
UNAVAILABLE = "Start a worker that can run it: limner worker --address ADDRESS"


@dataclass(slots=True)
class _Run:
    """A run that is under way."""

    needs: Needs = field(default_factory=Needs)
    seats: dict[int, Name] = field(default_factory=dict)
    hidden: Mapping[str, object] | None = None
    interrupted: bool = False
    told: dict[Name, str] = field(default_factory=dict)
    """The hosts that have its hidden inputs, by the place that they were."""


class Fleet:
    """A `limner.engine.ports.Executor`. `changed` is called when a worker is idle, comes or goes."""

    def __init__(self, home: Host, matcher: Matcher, *, at_home: Callable[[NodeSchema], bool]) -> None:
        """`at_home` says of a node type whether it has to do with the server's files."""
        self._home, self._at_home = home, at_home
        self.matcher = matcher
        self._hosts: dict[Name, Host] = {HOME: home}
        self._exchange = Exchange(self._hosts, self._remake)
        self._recipes = Recipes()
        self._runs: dict[str, _Run] = {}
        self._waiting: dict[str, asyncio.Future[Name]] = {}
        """Runs that wait for a seat, by the name that their claim has."""
        self._seconds: dict[str, float] = {}
        """What a step of each type takes, about."""
        self.changed: Callable[[], None] = lambda: None

    # Workers

    def joined(self, name: Name, host: Host, capabilities: Capabilities, slots: int = 1) -> None:
        """A worker is there, new or again."""
        self._hosts[name] = host
        self.matcher.joined(name, capabilities, slots)
        self._answer()

    def holds(self, name: Name, fingerprint: Fingerprint, values: Values) -> None:
        """A worker that has joined holds this already."""
        self._exchange.ran(fingerprint, name, values)

    def left(self, name: Name, *, expected: bool = False) -> None:
        """A worker is gone; what it had goes on elsewhere. `expected`: it may come back."""
        self.matcher.left(name, expected=expected)
        if name != HOME:
            self._hosts.pop(name, None)
        for run in self._runs.values():
            run.seats = {track: seat for track, seat in run.seats.items() if seat != name}
        if not expected and not self._runs:  # what runs may still ask where a value was made
            for fingerprint in self._exchange.values.prune():
                self._recipes.forget(fingerprint)
        self._answer()

    # Runs

    def assign(self, run: str, worker: Name, needs: Needs) -> None:
        """The run has its first seat at this worker, which `matcher` has chosen."""
        state = self._runs.setdefault(run, _Run())
        state.needs, state.seats[0] = needs, worker

    def freed(self, run: str) -> None:
        """What is left of the run needs no worker."""
        state = self._runs.get(run)
        for track, name in () if state is None else state.seats.items():
            self.matcher.freed(_claim(run, track), name)
        self._answer()

    def group_of(self, node_type: str) -> str:
        own: Callable[[str], str] | None = getattr(self._home, "group_of", None)
        return own(node_type) if own is not None else ""

    def spread(self, run: str, steps: Sequence[Step]) -> Mapping[NodeId, str]:
        """The groups of steps: at home, or on a track of the run's."""
        state = self._runs.get(run)
        away = [step for step in steps if not self._at_home(step.schema)]
        if state is None or not away:
            return {step.node: self._group(HOME, step) for step in steps}
        idle = self.matcher.idle_for(state.needs)
        chosen = tracks(away, lambda kind: self._seconds.get(kind, 0.0), 1 + idle)
        seated = self._seat_tracks(run, state, set(chosen.values()))
        if set(seated.values()) == {0} and state.seats.get(0) == HOME:
            return {}  # all of it is at home: one host, and no need to tell its steps apart
        places = {step.node: str(seated[chosen[step.node]]) for step in away}
        return {step.node: self._group(places.get(step.node, HOME), step) for step in steps}

    def _seat_tracks(self, run: str, state: _Run, wanted: set[int]) -> Mapping[int, int]:
        """Take a worker for each track beyond the first; one that gets none is put onto the first."""
        seated = {}
        for track in sorted(wanted | {0}):
            if track and track not in state.seats:
                self.matcher.claim(_claim(run, track), state.needs, patient=False)
                self.answer()
            seated[track] = track if track == 0 or track in state.seats else 0
        return seated

    def _group(self, place: str, step: Step) -> str:
        return f"{place}:{self.group_of(step.schema.type)}"

    async def schemas(self) -> Sequence[NodeSchema]:
        return await self._home.schemas()

    async def inquire(self, run: str, inquiries: Sequence[Inquiry]) -> Sequence[Answer]:
        return await self._home.inquire(run, inquiries)

    async def run(self, segment: Segment, report: Reporter) -> None:
        state = self._runs.setdefault(segment.run, _Run())
        if segment.hidden is not None:
            state.hidden = segment.hidden
        place = segment.group.partition(":")[0]
        name = await self._seat(segment.run, int(place)) if place.isdigit() else HOME
        try:
            if not state.interrupted:
                await self._exchange.bring(segment.run, segment.tasks, name)
        except CannotBring as refusal:
            name = await self._elsewhere(segment, name, refusal, report)
            if not name:
                return
        if state.interrupted:  # no host has heard of these steps
            report([Ended(task.node, _interrupted(task.node)) for task in segment.tasks])
            return
        await self._run_at(name, segment, report)

    async def _elsewhere(self, segment: Segment, name: Name, refusal: CannotBring, report: Reporter) -> Name:
        """A step at home that takes what cannot leave its worker runs there; nothing where that does not help."""
        problem: CannotBring = refusal
        if name == HOME and self._runs[segment.run].seats.get(0) != HOME:
            name = await self._seat(segment.run, 0)
            try:
                await self._exchange.bring(segment.run, segment.tasks, name)
                return name
            except CannotBring as again:
                problem = again
        self._lose_unmade(problem)
        where = "the server's own host" if name == HOME else f"worker {name}"
        message = f"{problem.task.type}: its input {problem.entry!r} cannot be taken into {where}: {problem.reason}"
        report([Ended(problem.task.node, Failure(CANNOT_CROSS, message, node=problem.task.node))])
        return ""

    def _lose_unmade(self, problem: CannotBring) -> None:
        """Raises ValuesLost for what is of an earlier server's time: only the engine knows how to make it again."""
        for wanted, entry in wanted_by(problem.task):
            holders = self._exchange.values.holders(wanted)
            if entry == problem.entry and holders and not self._recipes.knows(wanted[0]):
                place = f"{self._hosts[holders[0]].place}{EARLIER}"
                raise ValuesLost(place, "it cannot leave its worker")

    async def _run_at(self, name: Name, segment: Segment, report: Reporter) -> None:
        host, state = self._hosts.get(name), self._runs[segment.run]
        if host is None:
            raise HostLost(name, f"worker {name} is gone", blameless=True)
        tasks = {task.node: task for task in segment.tasks}
        for task in segment.tasks:
            self._recipes.note(task)

        def taken(reports: Sequence[Report]) -> None:
            for item in reports:
                if type(item) is Ended:
                    self._ended(tasks[item.node].fingerprint, tasks[item.node].type, name, item.result)
            report(reports)

        hidden = state.hidden if state.told.get(name) != host.place else None
        state.told[name] = host.place
        await host.run(Segment(segment.run, segment.tasks, hidden), taken)

    def _ended(self, fingerprint: Fingerprint, node_type: str, name: Name, result: object) -> None:
        if name in self._hosts:
            self._exchange.ran(fingerprint, name, result)
        if isinstance(result, Values):
            known = self._seconds.get(node_type)
            if known is not None and known >= COMPARED:
                self.matcher.compared(name, result.seconds / known)
            self._seconds[node_type] = result.seconds if known is None else 0.7 * known + 0.3 * result.seconds

    async def interrupt(self, run: str) -> None:
        state = self._runs.get(run)
        if state is None:
            return
        state.interrupted = True
        for claim in self._claims(run):
            self.matcher.unclaim(claim)
            waiting = self._waiting.pop(claim)
            if not waiting.done():
                waiting.set_result(HOME)  # where nothing will be run
        await asyncio.gather(*(host.interrupt(run) for host in self._told(run)))

    async def release(self, fingerprints: Sequence[Fingerprint]) -> None:
        for fingerprint in fingerprints:
            self._recipes.forget(fingerprint)
        await self._exchange.release(fingerprints)

    async def finish(self, run: str, *, keep: bool = False) -> None:
        self.freed(run)
        told = self._told(run)
        self._runs.pop(run, None)
        for claim in self._claims(run):
            self.matcher.unclaim(claim)
            self._waiting.pop(claim).cancel()
        await asyncio.gather(*(host.finish(run, keep=keep) for host in told))

    def _told(self, run: str) -> list[Host]:
        """The hosts that have had a part in a run, and are there."""
        state = self._runs.get(run)
        return [] if state is None else [self._hosts[name] for name in state.told if name in self._hosts]

    def _claims(self, run: str) -> list[str]:
        return [claim for claim in self._waiting if claim == run or claim.startswith(f"{run}#")]

    # Seats

    async def _seat(self, run: str, track: int) -> Name:
        """The worker of this track, when there is one. Raises HostUnavailable where there can be none."""
        state = self._runs[run]
        name = state.seats.get(track)
        if name is not None and name in self._hosts:
            return name
        if track:  # its worker is gone, and the run's other ones may be all that there are
            return await self._seat(run, 0)
        claim = _claim(run, track)
        waiting = self._waiting.get(claim)
        if waiting is None:
            waiting = self._waiting[claim] = asyncio.get_running_loop().create_future()
            self.matcher.claim(claim, state.needs)
            self._answer()
        return await asyncio.shield(waiting)

    def answer(self) -> None:
        """Give seats to those that wait for one; before anybody else is given one."""
        for decision in self.matcher.answer_claims():
            self._settle(decision.run, decision)

    def _answer(self) -> None:
        """Give seats, and say that something has changed."""
        self.answer()
        self.changed()

    def _settle(self, claim: str, decision: Decision) -> None:
        run, _, track = claim.partition("#")
        state, waiting = self._runs.get(run), self._waiting.pop(claim, None)
        if isinstance(decision, Match):
            if state is None:
                self.matcher.freed(claim, decision.worker)
                return
            state.seats[int(track or 0)] = decision.worker
            if waiting is not None and not waiting.done():
                waiting.set_result(decision.worker)
        elif waiting is not None and not waiting.done():
            waiting.set_exception(HostUnavailable(decision.reason, UNAVAILABLE))

    # Live objects

    async def _remake(self, run: str, wanted: Wanted, name: Name) -> bool:
        """Run the step that made it, and those before, in this host too."""

        def have(fingerprint: Fingerprint) -> bool:
            return name in self._exchange.values.of(fingerprint)

        host, state = self._hosts.get(name), self._runs.get(run)
        tasks = self._recipes.steps_to(wanted[0], have)
        if host is None or state is None or not tasks:
            return False
        await self._exchange.bring(run, tasks, name)
        made: set[Fingerprint] = set()
        by_node = {f"{number}": task for number, task in enumerate(tasks)}

        def taken(reports: Sequence[Report]) -> None:
            for item in reports:
                if type(item) is Ended and isinstance(item.result, Values):
                    task = by_node[item.node]
                    made.add(task.fingerprint)
                    self._exchange.ran(task.fingerprint, name, item.result)

        hidden = state.hidden if state.told.get(name) != host.place else None
        state.told[name] = host.place
        # Two steps of the user's may be one here: each task has a name of its own.
        renamed = tuple(replace(task, node=node) for node, task in by_node.items())
        log.info("run %s: %s is made again by %d steps in %s", run, tasks[-1].type, len(tasks), name)
        await host.run(Segment(run, renamed, hidden), taken)
        return wanted[0] in made


def _interrupted(node: NodeId) -> Failure:
    return Failure("Interrupted", "The run was interrupted", node=node, interrupted=True)


def _claim(run: str, track: int) -> str:
    return run if track == 0 else f"{run}#{track}"
