"""The host: runs segments of steps with live values. In the same process as the engine, or in one of its own.

    core = HostCore(Library(nodes_in([...])), Services(Folders(...), Runtime(...)))
    await core.run(segment, report)

All its methods are called in one event loop; the nodes run in the lanes' threads. See `calls` for what a call is,
`strands` for what overlaps, `values` for how values are held.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from limner.engine.ports import (
    HOME_KEY,
    JOB_KEY,
    Answer,
    Ended,
    Inquiry,
    Report,
    Reporter,
    Said,
    Segment,
    Started,
    Task,
)
from limner.engine.values import Failure, Fingerprint, Held, Values
from limner.graph import Lane, NodeSchema
from limner.telemetry.context import in_run

from .calls import Calls, Profile, gather
from .context import CURRENT, INDEX, CallContext, RunState
from .errors import UnknownTopic
from .failures import failure_of
from .lanes import Guard, Lanes, no_guard
from .library import Library
from .notes import Notes
from .reports import ReportBuffer
from .services import Services
from .strands import Strand, sources, strands_of
from .values import LostValue, ValueStore

T = TypeVar("T")

log = logging.getLogger(__name__)

Handler = Callable[[object], object]
"""Answers a question that is not about steps (`free`, `stats`, ...): plain data in, plain data or an awaitable out."""


def _nobody(said: Said) -> None:
    """Nobody listens."""


class HostCore:
    """A node library, its services and the values that its steps made."""

    def __init__(
        self,
        library: Library,
        services: Services | None = None,
        *,
        place: str = "local",
        lanes: Lanes | None = None,
        guard: Guard = no_guard,
        handlers: Mapping[str, Handler] | None = None,
        notes: Notes | None = None,
    ) -> None:
        """`notes`: where steps are written down, so that interrupted jobs go on."""
        self.library = library
        self.services = services or Services()
        self.notes = notes
        self.values = ValueStore(place) if notes is None else ValueStore(place, notes.find)
        self._lanes = lanes or Lanes(guard=guard)
        self._handlers = dict(handlers or {})
        self.listener: Callable[[Said], None] = _nobody
        """Gets what packs say outside of calls; called in any thread."""
        self.changed: Callable[[], None] = lambda: None
        """Called, in any thread, when there is another library."""
        self._profiles: dict[str, Profile] = {}
        self._runs: dict[str, RunState] = {}
        self._coroutines: dict[str, set[asyncio.Task[object]]] = {}

    def schemas(self) -> list[NodeSchema]:
        return [implementation.schema for implementation in self.library.values()]

    def use(self, library: Library) -> None:
        """From now on these are the nodes; calls that go on end with those that they began with. In any thread."""
        self.library = library
        self.changed()

    async def run(self, segment: Segment, report: Reporter) -> None:
        """Run the tasks, reporting in this loop. Raises LostValue if a task needs a value from elsewhere."""
        run = self._run_state(segment.run)
        if segment.hidden is not None:
            run.hidden = segment.hidden
            run.key = str(segment.hidden.get(JOB_KEY, ""))
            if run.key and self.notes is not None:
                self.notes.open(run.key)
        buffer = ReportBuffer(asyncio.get_running_loop(), report)
        execution = _Execution(self, run, segment, buffer.add)
        try:
            await execution.finish()
        finally:
            buffer.flush()

    async def inquire(self, run: str, inquiries: Sequence[Inquiry]) -> list[Answer]:
        """What the nodes say of their literals. A change token that cannot be made counts as changed (NaN)."""
        answers: list[Answer] = []
        state = self._runs.get(run) or RunState(run)

        def ask() -> None:
            with in_run(run):
                answers.extend(self._answer(inquiry, state) for inquiry in inquiries)

        if inquiries:
            await asyncio.wrap_future(self._lanes.submit(Lane.IO, ask))
        return answers

    def interrupt(self, run: str) -> None:
        self._run_state(run).cancel()
        for task in list(self._coroutines.get(run, ())):
            task.get_loop().call_soon_threadsafe(task.cancel)

    def release(self, fingerprints: Sequence[Fingerprint]) -> None:
        self.values.release(fingerprints)

    def finish(self, run: str, *, keep: bool = False) -> None:
        state = self._runs.pop(run, None)
        self._coroutines.pop(run, None)
        if state is not None and state.key and self.notes is not None:
            self.notes.close_job(state.key, keep=keep)
        if not self._runs:
            self.values.give_back()

    async def ask(self, topic: str, data: object) -> object:
        """Ask a handler, off the loop. Raises UnknownTopic, and what the handler raises."""
        handler = self._handlers.get(topic)
        if handler is None:
            raise UnknownTopic(f"the host knows nothing of {topic!r}")
        answer = await asyncio.get_running_loop().run_in_executor(None, handler, data)
        return await answer if inspect.isawaitable(answer) else answer

    def items(self, fingerprint: Fingerprint, output: int) -> list[object]:
        """What is held as this output. Raises LostValue."""
        return self.values.items(Held(fingerprint, output))

    def say(self, event: str, data: object, client: str | None = None) -> None:
        """A message to the clients, from any thread; None for all of them."""
        self.listener(Said(event, data, client))

    def interrupt_all(self) -> None:
        for run in list(self._runs):
            self.interrupt(run)

    def close(self) -> None:
        self._lanes.close()
        if self.notes is not None:
            self.notes.close()

    @property
    def lanes(self) -> Lanes:
        return self._lanes

    def profile(self, node_type: str) -> Profile:
        """Raises LookupError for a type that is not in the library."""
        found = self._profiles.get(node_type)
        implementation = self.library.get(node_type)
        if implementation is None:
            raise LookupError(f"this host has no node type {node_type}")
        if found is None or found.implementation is not implementation:
            found = self._profiles[node_type] = Profile.of(implementation)
        return found

    def track(self, run: str) -> None:
        """The asyncio task that calls this is cancelled when the run is interrupted."""
        task = asyncio.current_task()
        if task is not None:
            running = self._coroutines.setdefault(run, set())
            running.add(task)
            task.add_done_callback(running.discard)

    def _run_state(self, run: str) -> RunState:
        return self._runs.setdefault(run, RunState(run))

    def _answer(self, inquiry: Inquiry, run: RunState) -> Answer:
        context = CallContext(inquiry.node, inquiry.type, run, self.services, lambda report: None, home=inquiry.home)
        token = CURRENT.set(context)
        INDEX.set(0)
        try:
            implementation = self.profile(inquiry.type).implementation
            known: dict[str, object] = {**dict.fromkeys(inquiry.input_types), **inquiry.inputs}
            complaint = self._complaint(implementation.complaint, inquiry, known, context)
            change = (
                self._token(inquiry, lambda: implementation.change_token(known, context)) if inquiry.token else None
            )
            return Answer(inquiry.node, complaint, change)
        finally:
            CURRENT.reset(token)
            context.close()

    def _complaint(
        self,
        ask: Callable[..., str | Awaitable[str | None] | None],
        inquiry: Inquiry,
        known: dict[str, object],
        context: CallContext,
    ) -> str | None:
        if not inquiry.validate:
            return None
        try:
            answer = ask(known, inquiry.input_types, context)
            return self._settled(answer) if inspect.isawaitable(answer) else answer
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def _token(self, inquiry: Inquiry, ask: Callable[[], object]) -> object:
        try:
            answer = ask()
            return self._settled(answer) if inspect.isawaitable(answer) else answer
        except Exception as error:
            log.warning(
                "node %s (%s) could not say whether it changed, so it runs: %s", inquiry.node, inquiry.type, error
            )
            return float("nan")

    def _settled(self, answer: Awaitable[T]) -> T:
        async def wait() -> T:
            return await answer

        return self._lanes.start(wait()).result()


class _Execution:
    """One segment being run."""

    def __init__(self, core: HostCore, run: RunState, segment: Segment, add: Callable[[Report], None]) -> None:
        self._core, self._run, self._add = core, run, add
        self._strands = strands_of(segment.tasks)
        self._inside = {task.fingerprint for task in segment.tasks}
        self._made: set[Fingerprint] = set()
        self._stopped = False

    async def finish(self) -> None:
        """Run the strands, each when those that it waits for are done."""
        if len(self._strands) == 1:
            await self._start(self._strands[0])
            return
        tasks: list[asyncio.Task[None]] = []
        for strand in self._strands:
            tasks.append(asyncio.create_task(self._after([tasks[number] for number in strand.after], strand)))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _after(self, earlier: Sequence[asyncio.Task[None]], strand: Strand) -> None:
        if earlier:
            await asyncio.wait(earlier)
        if not self._stopped:
            await self._start(strand)

    async def _start(self, strand: Strand) -> None:
        if strand.lane is Lane.ASYNC:
            future = self._core.lanes.start(self._coroutine_in_run(strand.tasks[0]))
        else:
            future = self._core.lanes.submit(strand.lane, lambda: self._work_in_run(strand.tasks))
        await asyncio.wrap_future(future)

    def _work_in_run(self, tasks: Sequence[Task]) -> None:
        with in_run(self._run.id):
            self._work(tasks)

    async def _coroutine_in_run(self, task: Task) -> None:
        with in_run(self._run.id):
            await self._coroutine(task)

    def _work(self, tasks: Sequence[Task]) -> None:
        """A strand, in the thread of its lane."""
        for task in tasks:
            if self._stopped:
                return
            if not self._ready(task):
                continue
            calls = None
            try:
                self._run.check()
                calls = self._calls(task)
                self._add(Started(task.node))
                self._end(task, calls.perform(self._core.lanes))
            except LostValue:
                self._look_for_all()
                raise
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                self._fail(task, error, calls)

    async def _coroutine(self, task: Task) -> None:
        if self._stopped or not self._ready(task):
            return
        self._core.track(self._run.id)
        calls = None
        try:
            self._run.check()
            calls = self._calls(task)
            self._add(Started(task.node))
            self._end(task, await calls.perform_async())
        except LostValue:
            self._look_for_all()
            raise
        except (Exception, SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:
            self._fail(task, error, calls)

    def _ready(self, task: Task) -> bool:
        """Whether what it takes from this segment came to be."""
        return (sources(task) & self._inside) <= self._made

    def _calls(self, task: Task) -> Calls:
        core = self._core
        profile = core.profile(task.type)
        context = CallContext(
            task.node,
            task.type,
            self._run,
            core.services,
            self._add,
            cooperative=profile.cooperative,
            notes=core.notes,
            step=task.fingerprint,
            home=str(self._run.hidden.get(HOME_KEY, "")),
        )
        return Calls(task, profile, gather(task, profile, core.values), core.values, context)

    def _end(self, task: Task, outcome: object) -> None:
        if isinstance(outcome, Values):
            self._made.add(task.fingerprint)
            self._write_down(task, outcome)
        self._add(Ended(task.node, outcome))  # type: ignore[arg-type]

    def _write_down(self, task: Task, values: Values) -> None:
        """What has effects, or must run each time, is for this job alone."""
        core, key = self._core, self._run.key
        if core.notes is not None and key:
            traits = core.profile(task.type).implementation.schema.traits
            outputs = core.values.outputs(task.fingerprint)
            core.notes.record(key, task.fingerprint, outputs, values, bound=traits.output or traits.volatile)

    def _look_for_all(self) -> None:
        """Something on the disk was damaged: see at once what else is, before the engine is told."""
        for task in (task for strand in self._strands for task in strand.tasks):
            for fingerprint in sources(task) - self._inside:
                with contextlib.suppress(LostValue):
                    self._core.values.items(Held(fingerprint, 0))

    def _fail(self, task: Task, error: BaseException, calls: Calls | None) -> None:
        self._stopped = True
        failure: Failure = failure_of(error, task.node, calls.items if calls is not None else None)
        self._add(Ended(task.node, failure))
