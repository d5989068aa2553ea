"""One run in progress: the scheduler's hands and voice."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TypeAlias

from limner.graph import Catalog, Graph, Node, NodeId, NodeSchema

from .admission import inquiry
from .errors import EngineError
from .events import RunFinished, RunStarted
from .expansion import Spliced, displays, splice
from .ledger import Ledger, Record
from .narrator import Narrator
from .plan import Planner, Step
from .ports import (
    HOME_KEY,
    Cache,
    Ended,
    EventSink,
    Executor,
    HostLost,
    HostUnavailable,
    Previewed,
    Progressed,
    Report,
    Said,
    Segment,
    Started,
    ValuesLost,
)
from .scheduler import Finish, Scheduler, Start
from .state import RunState, Status, StepState
from .values import BLOCKED, Demand, Expansion, Failure, Fingerprint, Values

log = logging.getLogger(__name__)

Spread: TypeAlias = Callable[[str, Sequence[Step]], Mapping[NodeId, str]]
"""An executor with many places may have this: (run, steps that have to run) -> the groups of those that it names."""

LOST_REMEDY = "Give the node less to do (smaller or fewer images, a smaller model), or leave it out"


class Session:
    """Runs one graph; `status`, `outputs` and `failure` say how it ended."""

    def __init__(
        self,
        *,
        run: str,
        executor: Executor,
        cache: Cache,
        catalog: Catalog,
        hidden: Mapping[str, object],
        salt: Callable[[NodeSchema], str],
        key: str,
        group_of: Callable[[str], str],
        expanding: set[str],
        ledger: Ledger,
        yielding: Callable[[], None] | None,
        ended: Callable[[], Awaitable[None]],
        sink: EventSink,
        hear: Callable[[Said], None],
        blame: Callable[[NodeSchema, str], None],
    ) -> None:
        self.id = run
        self.status = "failed"
        self.failure: Failure | None = None
        self.ran = 0
        self.cached = 0
        self._executor = executor
        self._cache = cache
        self._key = key
        """Names the run in the cache: the same for every attempt of a job."""
        self._resumes = False
        """Whether the run goes on another time."""
        self._hidden = hidden
        self._hear, self._blame = hear, blame
        self._ledger = ledger
        self._yielding, self._note_end = yielding, ended
        self._informed: set[str] = set()
        """Groups that have the hidden inputs."""
        self._home = str(hidden.get(HOME_KEY, ""))
        self._planner = Planner(catalog, key, salt)
        self._state = RunState()
        self._groups: dict[NodeId, str] = {}
        """Of nodes whose group the executor chose one by one."""
        self._spread: Spread | None = getattr(executor, "spread", None)
        self._scheduler = Scheduler(self._state, self._planner, group_of, expanding, self._groups)
        self._tell = Narrator(run, sink)
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._preparing: dict[NodeId, Expansion] = {}
        """The latest expansion of each step whose expansion needs change tokens."""
        self._interruption: Failure | None = None
        """How the first interrupted step ended."""

    @property
    def outputs(self) -> Mapping[NodeId, Mapping[str, object]]:
        """What nodes showed, by inner id."""
        return self._tell.outputs

    async def run(self, graph: Graph, targets: Sequence[NodeId]) -> None:
        """Run the graph to its end; what goes wrong is told, not raised, but for cancellation of the calling task."""
        began, over = time.monotonic(), True
        try:
            await self._begin(graph, targets)
            await self._over.wait()
        except EngineError as error:
            self._finish("failed", error.failure(self._display(error.node)))
        except HostLost as loss:
            self._finish("failed", Failure("HostLost", f"The host died twice before the run began: {loss.reason}"))
        except asyncio.CancelledError:
            over, self._resumes = False, True
            self._scheduler.cancel()
            self._finish("cancelled", Failure("Cancelled", "The run was cancelled", interrupted=True))
            await self._executor.interrupt(self.id)
            raise
        except Exception as error:
            log.exception("run %s failed in the engine", self.id)
            self._finish("failed", Failure(type(error).__name__, str(error)))
        finally:
            self._ledger.end(self.id, cancelled=self.status == "cancelled")
            await self._stop()
            finished = RunFinished(
                self.id, self._tell.next(), self.status, self.outputs, self.failure, time.monotonic() - began
            )
            self._tell.say(finished)
            self._tell.flush()
            try:
                if over:
                    await self._note_end()
            finally:
                await self._clean_up()

    async def interrupt(self, *, keep: bool = False) -> None:
        """Stop at the steps' next check. `keep`: what it has done is needed, as it goes on another time."""
        self._resumes = self._resumes or keep
        self._scheduler.cancel()
        self._go_on()
        await self._executor.interrupt(self.id)

    async def _begin(self, graph: Graph, targets: Sequence[NodeId]) -> None:
        self._ledger.begin(Record(self.id, graph, self._planner.catalog, self._state, self._planner.tokens))
        ordered = self._planner.order(graph, targets)
        plan = self._planner.plan(ordered, targets, await self._tokens(ordered, graph), {})
        fingerprints = [step.fingerprint for step in plan.steps]
        self._cache.hold(self._key, fingerprints)
        known = self._recall(fingerprints)
        self._choose_groups(plan.steps, known)
        self._state.add(plan.steps, known)
        cached = [step for step in plan.steps if step.fingerprint in known]
        self.cached = len(cached)
        self._state.need(plan.targets)
        waiting = [node for node, item in self._state.steps.items() if item.status is not Status.DONE]
        self._tell.say(RunStarted(self.id, self._tell.next(), tuple(waiting)))
        self._tell.cached(cached, known)
        self._go_on()

    def _recall(self, fingerprints: Sequence[Fingerprint]) -> dict[Fingerprint, Values]:
        found = {}
        for fingerprint in fingerprints:
            values = self._cache.get(fingerprint)
            if values is not None:
                found[fingerprint] = values
        return found

    def _choose_groups(self, steps: Sequence[Step], known: Mapping[Fingerprint, Values]) -> None:
        if self._spread is not None:
            self._groups.update(self._spread(self.id, [step for step in steps if step.fingerprint not in known]))

    async def _tokens(self, ordered: Sequence[Node], graph: Graph) -> dict[NodeId, object]:
        """The change tokens of the nodes that have one, asked for in one go."""
        asked = [node for node in ordered if self._planner.profile(node).schema.traits.has_change_token]
        if not asked:
            return {}
        questions = [inquiry(node, graph, self._planner.catalog, token=True, home=self._home) for node in asked]
        try:
            answers = await self._executor.inquire(self.id, questions)
        except HostLost as loss:
            self._cache.forget(loss.place)
            answers = await self._executor.inquire(self.id, questions)
            self._scheduler.recovered(loss.place, self._cache.get)
        return {answer.node: answer.token for answer in answers}

    # What the scheduler wants done

    def _go_on(self) -> None:
        self._tell_finished()
        for action in self._scheduler.actions():
            if isinstance(action, Start):
                self._spawn(self._send(action))
            elif isinstance(action, Finish):
                self._finish(action.status, action.failure)
        if self._yielding is not None and self._scheduler.ebbing:
            yielding, self._yielding = self._yielding, None
            yielding()
        self._tell.flush()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, start: Start) -> None:
        hidden = None if start.group in self._informed else self._hidden
        self._informed.add(start.group)
        try:
            await self._executor.run(Segment(self.id, start.tasks, hidden, start.group), self._take)
        except HostLost as loss:
            self._lose(start, loss)
        except HostUnavailable as error:
            self._fail(self._state.steps[start.tasks[0].node], Failure("HostUnavailable", str(error), error.remedy))
            self._land(start)
        except Exception as error:
            log.exception("the executor failed run %s", self.id)
            self._scheduler.fail(Failure(type(error).__name__, str(error), node=start.tasks[0].display_node))
            self._land(start)
        else:
            self._land(start)
        self._go_on()

    def _land(self, start: Start) -> None:
        try:
            self._scheduler.landed(start.key)
        except EngineError as error:
            self._fail(self._state.steps[error.node], error.failure())

    def _lose(self, start: Start, loss: HostLost) -> None:
        self._cache.forget(loss.place)
        if isinstance(loss, ValuesLost):  # what is gone is made again, and the steps wait for it
            self._land(start)
            self._scheduler.recovered(loss.place, self._cache.get)
            return
        self._informed.discard(start.group)
        fatal = self._scheduler.lost(start.key, blameless=loss.blameless)
        self._scheduler.recovered(loss.place, self._cache.get)
        for state in fatal:
            self._blame(state.step.schema, loss.reason)
            reason = f"The host died each time that this node ran: {loss.reason}"
            self._fail(state, Failure("HostLost", reason, remedy=LOST_REMEDY))

    def _display(self, node: NodeId) -> NodeId:
        state = self._state.steps.get(node)
        return node if state is None else state.step.display

    def _finish(self, status: str, failure: Failure | None) -> None:
        if status == "cancelled" and failure is None:
            failure = self._interruption or Failure("Interrupted", "The run was interrupted", interrupted=True)
        if not self._over.is_set():
            self.status, self.failure = status, failure
            self._over.set()

    async def _stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _clean_up(self) -> None:
        evicted = self._cache.let_go(self._key)
        try:
            if evicted:
                await self._executor.release(evicted)
            await self._executor.finish(self.id, keep=self._resumes and self.status == "cancelled")
        except (HostLost, OSError) as error:
            log.warning("cleaning up after run %s: %s", self.id, error)

    # What the executor reports

    def _take(self, reports: Sequence[Report]) -> None:
        """Facts for the scheduler and events for the sink, once a batch."""
        for report in reports:
            if isinstance(report, Said):
                self._hear(report)
                continue
            state = self._state.steps.get(report.node)
            if state is None:
                log.warning("run %s: a report of node %s, which it does not have", self.id, report.node)
            elif type(report) is Ended:
                self._ended(state, report.result)
            elif type(report) is Started:
                self._tell.started(state)
            elif type(report) is Progressed:
                self._tell.progressed(state, report)
            elif type(report) is Previewed:
                self._tell.previewed(state, report)
        self._go_on()

    def _ended(self, state: StepState, result: object) -> None:
        if state.status is not Status.SENT:
            return
        self._tell.started(state)
        try:
            if type(result) is Values:
                self._gave(state, result)
            elif isinstance(result, Failure):
                self._fail(state, result)
            elif isinstance(result, Demand):
                self._state.demand(state, result.inputs)
            elif isinstance(result, Expansion):
                self._expand(state, result)
        except EngineError as error:
            self._fail(state, error.failure())

    def _gave(self, state: StepState, values: Values) -> None:
        self.ran += 1
        self._keep(state, values)
        self._tell.finished(state, values)
        for message in values.blocked:
            self._tell.failed(state, Failure(BLOCKED, f"Execution Blocked: {message}"))
        self._state.finish(state, values)

    def _keep(self, state: StepState, values: Values) -> None:
        """Remember the values, unless they are of no use after this run."""
        if state.step.keep:
            evicted = self._cache.put(state.step.fingerprint, values)
            if evicted:
                self._spawn(self._executor.release(evicted))

    def _tell_finished(self) -> None:
        """Twins and expanded steps are done with another step."""
        for state in self._state.done:
            if state.values is not None:
                if state.results:
                    self._keep(state, state.values)
                self._tell.finished(state, state.values)
        self._state.done.clear()

    def _fail(self, state: StepState, failure: Failure) -> None:
        state.status = Status.WAITING
        state.failed = True
        stopping = self._scheduler.stopping
        if failure.interrupted:
            self._scheduler.cancel()
            self._interruption = self._interruption or self._tell.located(state, failure)
        else:
            self._tell.failed(state, failure)
            self._scheduler.fail(self._tell.located(state, failure))
        if not stopping and self._scheduler.flying:
            self._spawn(self._executor.interrupt(self.id))

    def _expand(self, state: StepState, expansion: Expansion) -> None:
        spliced = splice(self._state, state, expansion, self._planner)
        state.status = Status.EXPANDED
        state.ui = expansion.ui
        self._scheduler.expanded(state)
        if any(self._planner.profile(node).schema.traits.has_change_token for node in spliced.ordered):
            self._scheduler.pending += 1
            self._preparing[state.step.node] = expansion
            self._spawn(self._expand_later(state, spliced, expansion))
        else:
            self._settle(state, spliced, {})

    async def _expand_later(self, state: StepState, spliced: Spliced, expansion: Expansion) -> None:
        try:
            tokens = await self._tokens(spliced.ordered, expansion.graph)
            if state.status is Status.EXPANDED and self._preparing.get(state.step.node) is expansion:
                self._settle(state, spliced, tokens)  # else a host was lost, and the step runs again
        except EngineError as error:
            self._fail(state, error.failure())
        except Exception as error:
            log.exception("run %s could not expand node %s", self.id, state.step.node)
            self._fail(state, Failure(type(error).__name__, str(error)))
        self._scheduler.pending -= 1
        self._go_on()

    def _settle(self, state: StepState, spliced: Spliced, tokens: Mapping[NodeId, object]) -> None:
        shown = displays(self._state, spliced)
        plan = self._planner.plan(spliced.ordered, (), tokens, shown, default_display=state.step.display)
        fingerprints = [step.fingerprint for step in plan.steps]
        self._cache.hold(self._key, fingerprints)
        known = self._recall(fingerprints)
        self._choose_groups(plan.steps, known)
        self._state.add(plan.steps, known, parent=state)
        self._state.expand(state, spliced.results, spliced.outputs)
        for node in spliced.outputs:
            self._show(self._state.steps[node])

    def _show(self, state: StepState) -> None:
        """What an output node of an expansion shows belongs to the run, also where it is remembered from another."""
        if state.origin and state.values is not None and state.values.ui is not None and not state.finished:
            state.finished = True
            self._tell.finished(state, state.values)
