"""The workers of a cluster, for the server: found, connected, and told of to whoever gives out jobs.

Rules, stated once:

- Workers are looked for every `LOOK_SECONDS`. One that is gone is expected back for `EXPECTED_SECONDS`.
- What a worker can run are the node types whose code is the same there as here, and the models that it has.
- Nothing is refused for want of a worker before the workers have been the same for `SETTLED_SECONDS`.
- The server's own host takes jobs too, if its device is as good as the workers'; else only what no worker can run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from limner import __version__
from limner.engine import Engine
from limner.engine.ports import Said
from limner.engine.values import Fingerprint, Values
from limner.executors.exchange import EARLIER, Host
from limner.executors.fleet.dispatch import Dispatcher
from limner.executors.fleet.facts import Capabilities
from limner.executors.fleet.fleet import HOME, Fleet
from limner.executors.fleet.matching import Matcher
from limner.executors.remote import ray
from limner.executors.remote.calls import AgentGone, Greeting
from limner.executors.remote.host import Callbacks, Depot, RemoteHost
from limner.graph import Catalog
from limner.queue import JobQueue
from limner.server.services import WorkerState

from .needs import JobNeeds, at_home

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
GREET_SECONDS = 20.0
"""Between two times that a worker is asked what it has."""
EXPECTED_SECONDS = 60.0
SETTLED_SECONDS = 10.0


@dataclass(slots=True)
class _Member:
    """A worker that has been seen."""

    host: RemoteHost
    seen: float
    greeting: Greeting | None = None
    state: str = "connecting"
    reason: str = ""
    asked: float = 0.0


class Cluster:
    """`fleet` is the executor, `dispatcher` the source of jobs. `said` hears packs' messages.

    `home_takes`: whether the server's own host takes jobs (auto, always, never).
    """

    def __init__(
        self,
        home: Host,
        queue: JobQueue,
        needs: JobNeeds,
        catalog: Callable[[], Catalog],
        said: Callable[[Said], None],
        *,
        home_takes: str = "auto",
        home_models: Mapping[str, frozenset[str]] | None = None,
        elsewhere: Callable[[Mapping[str, frozenset[str]]], None] = lambda models: None,
    ) -> None:
        """`home_models` are those of the server's own host; `elsewhere` hears which models the workers have."""
        self._catalog, self._said, self._home_takes, self._elsewhere = catalog, said, home_takes, elsewhere
        self.matcher = Matcher(needs.of)
        self.fleet = Fleet(home, self.matcher, at_home=at_home)
        self.dispatcher = Dispatcher(queue, self.fleet)
        self.engine: Engine | None = None
        self._home, self._home_accelerated = home, False
        self._depot = Depot()
        self._members: dict[str, _Member] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed_at = time.monotonic()
        self.matcher.settled = False
        if home_takes != "never":
            self.fleet.joined(HOME, home, Capabilities(models=home_models, everything=True))

    async def serve(self, engine: Engine) -> None:
        """Look for workers until cancelled. `engine` runs what they do."""
        self.engine = engine
        try:
            while True:
                try:
                    await self._look()
                except AgentGone as error:
                    log.warning("%s", error)
                except Exception:  # there is a next time
                    log.exception("looking for workers")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await asyncio.gather(*(member.host.close() for member in self._members.values()))

    async def _look(self) -> None:
        """Raises AgentGone where Ray does not answer."""
        try:
            await self._notice(await asyncio.to_thread(ray.agents))
        finally:
            self._settle()
        await self._ask_around()

    def workers(self) -> Sequence[WorkerState]:
        """All that are known, and how they are."""
        found = [self._described(name, member) for name, member in sorted(self._members.items())]
        home = self.matcher.workers.get(HOME)
        if home is not None:
            found.insert(0, WorkerState(HOME, "reserve" if home.reserve else "ready", jobs=len(home.busy)))
        return found

    async def ask_all(self, topic: str) -> None:
        """Ask every worker that is there; what it answers, or whether, is its own affair."""
        asked = (member.host.ask(topic) for member in self._members.values() if member.host.ready)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                log.warning("a worker did not do %r: %s", topic, answer)

    # Members

    async def _notice(self, names: Sequence[str]) -> None:
        now = time.monotonic()
        for name in names:
            if name not in self._members:
                self._members[name] = _Member(self._remote(name), now)
                await self._members[name].host.start()
        for name, member in list(self._members.items()):
            if member.host.ready:
                member.seen = now
            elif now - member.seen > EXPECTED_SECONDS:
                member.seen = now
                self.fleet.left(name)
                log.info("worker %s is not expected any more", name)
                if name not in names:
                    del self._members[name]
                    await member.host.close()

    def _remote(self, name: str) -> RemoteHost:
        def ready(greeting: Greeting) -> None:
            member = self._members[name]
            member.greeting, member.state, member.reason = greeting, "ready", ""
            member.asked = time.monotonic()
            self._unsettle()
            self.fleet.joined(name, member.host, self._capabilities(greeting, tell=True))
            self._compare_devices()
            log.info("worker %s is ready: %s on %s", name, greeting.device or "a device", greeting.machine)

        def lost(place: str, reason: str, back: bool) -> None:
            member = self._members.get(name)
            if member is not None:
                draining = member.state == "draining"
                member.state, member.reason = ("gone" if draining else "lost"), reason
                back = back and not draining
            self._unsettle()
            if self.engine is not None:
                self.engine.forget(place)
                self.engine.forget(place + EARLIER)
            self.fleet.left(name, expected=back)
            self._compare_devices()

        def refused(reason: str) -> None:
            self._members[name].state, self._members[name].reason = "refused", reason
            self.matcher.unusable(name, reason)

        def draining() -> None:
            self._members[name].state = "draining"
            self.matcher.drain(name)
            log.info("worker %s takes nothing more", name)

        def held(fingerprint: Fingerprint, values: Values) -> None:
            self.fleet.holds(name, fingerprint, values)
            if self.engine is not None:
                task = asyncio.ensure_future(self.engine.adopt(fingerprint, values))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        callbacks = Callbacks(ready, lost, refused, draining, held, self._said)
        return RemoteHost(name, ray.RayAgent(name), self._depot, version=__version__, callbacks=callbacks)

    def _capabilities(self, greeting: Greeting, *, tell: bool = False) -> Capabilities:
        catalog = self._catalog()
        same = frozenset(
            kind
            for kind, version in greeting.node_types.items()
            if kind in catalog and catalog[kind].version == version
        )
        others = [kind for kind in greeting.node_types if kind in catalog and kind not in same]
        if others and tell:
            log.warning(
                "worker %s has other code for %d node types (%s): it does not run them; install the same packs",
                greeting.name,
                len(others),
                ", ".join(sorted(others)[:3]),
            )
        models = (
            None if greeting.models is None else {kind: frozenset(names) for kind, names in greeting.models.items()}
        )
        return Capabilities(same, models, greeting.memory, greeting.device, greeting.machine)

    async def _ask_around(self) -> None:
        """Ask a worker again what it has, where that is long ago."""
        now = time.monotonic()
        due = [
            (name, member)
            for name, member in self._members.items()
            if member.host.ready and now - member.asked > GREET_SECONDS
        ]
        greetings = await asyncio.gather(*(member.host.greet() for _, member in due))
        for (name, member), greeting in zip(due, greetings, strict=True):
            member.asked = now
            if greeting is not None and member.host.ready:
                member.greeting = greeting
                self.matcher.can(name, self._capabilities(greeting))
        if due:
            self._tell_models()
            self.fleet.changed()

    def _compare_devices(self) -> None:
        """Whether jobs are the server's own host's business too."""
        ready = [member.greeting for member in self._members.values() if member.host.ready and member.greeting]
        better = any(greeting.accelerated for greeting in ready) and not self._home_accelerated
        self.matcher.reserve(HOME, self._home_takes == "auto" and better)
        self._tell_models()

    def _tell_models(self) -> None:
        found: dict[str, set[str]] = {}
        for member in self._members.values():
            if member.greeting is not None and member.greeting.models:
                for kind, names in member.greeting.models.items():
                    found.setdefault(kind, set()).update(names)
        self._elsewhere({kind: frozenset(names) for kind, names in found.items()})

    def home_device(self, accelerated: bool) -> None:
        """What device the server's own host has."""
        self._home_accelerated = accelerated
        self._compare_devices()

    def _unsettle(self) -> None:
        """A worker has come or gone: others may."""
        self._changed_at, self.matcher.settled = time.monotonic(), False

    def _settle(self) -> None:
        settled = time.monotonic() - self._changed_at > SETTLED_SECONDS
        if settled and not self.matcher.settled:
            self.fleet.changed()
        self.matcher.settled = settled

    def _described(self, name: str, member: _Member) -> WorkerState:
        state = self.matcher.workers.get(name)
        told = member.greeting
        return WorkerState(
            name,
            member.state,
            reason=member.reason,
            machine="" if told is None else told.machine,
            device="" if told is None else told.device,
            memory=0 if told is None else told.memory,
            jobs=0 if state is None else len(state.busy),
            models=[] if state is None else [name for _, name in state.warm],
            speed=1.0 if state is None else round(state.speed, 2),
        )
