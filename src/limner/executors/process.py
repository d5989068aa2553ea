"""Runs steps in a host process: starts it, talks to it, and starts it again when it dies.

    executor = ProcessExecutor([sys.executable, "-m", "limner.app.host"], log=print)
    await executor.start()

The host may be killed at any time: what waits for it raises HostLost, and the next request waits for the next one. A
host that dies while it starts is started again after a pause, which doubles each time. After `starts` of these in a
row, if that is given, it is not started any more, and what waits for it raises HostUnavailable. Each incarnation is
another place, as its values are new ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from limner.engine.ports import Answer, Ended, HostLost, HostUnavailable, Inquiry, Reporter, Said, Segment
from limner.engine.values import Failure, Fingerprint
from limner.graph import NodeSchema
from limner.plugins import protocol as p
from limner.plugins.client import HostClient, Loaded
from limner.plugins.errors import HostRefused, LoadError
from limner.plugins.transport import ADDRESS_VARIABLE, Connection, Listener, Pair, can_inherit
from limner.telemetry.marks import plain

from .chatter import Chatter

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds between a host that died while it started and the next attempt: at first, and at most."""
STUCK_AFTER = 60.0
"""Seconds that an interrupted run is given to end before its host is killed for it."""
LOOK_EVERY = 0.25
"""Seconds between looks at whether a host is still there whose connection is open."""
LAST_FRAMES = 1.0
"""Seconds in which what a dead host has sent is read."""
LAST_WORDS = 20
"""Lines of a host's output that are kept to say why it died."""


async def _exit(process: asyncio.subprocess.Process, pause: float) -> None:
    """Until the process has ended; `process.wait` would wait for all copies of it, too, as they have its output."""
    while process.returncode is None:
        await asyncio.sleep(pause)


def log_line(line: str) -> None:
    log.info("%s", plain(line))


def ignore_line(reason: str) -> None:
    """Nobody listens."""


def ignore(said: Said) -> None:
    """Nobody listens."""


def ignore_ready(loaded: Loaded) -> None:
    """Nobody listens."""


def ignore_lost(what: str, reason: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Who hears of what happens; all are called in the executor's event loop.

    `line`: each line that the host or its nodes print (`limner.telemetry.marks` reads it). `said`: a pack's message to
    the clients, outside of steps. `ready`: a host has loaded its library, or another in its place. `lost`: a host is
    gone (place, reason). `broke`: it died while it loaded this part of its library (source, reason); that is told
    first. `gave_up`: it will not be started again (reason).
    """

    line: Callable[[str], None] = log_line
    said: Callable[[Said], None] = ignore
    ready: Callable[[Loaded], None] = ignore_ready
    lost: Callable[[str, str], None] = ignore_lost
    broke: Callable[[str, str], None] = ignore_lost
    gave_up: Callable[[str], None] = ignore_line


Command: TypeAlias = "Sequence[str] | Callable[[], Awaitable[Sequence[str]]]"
"""What starts a host; a function is asked before each start. It raises CannotStart where there can be none."""


class CannotStart(RuntimeError):
    """A host cannot be started, whatever is tried; `remedy` says what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(problem)


class ProcessExecutor:
    """A `limner.engine.ports.Executor` over a host process. `grace`: seconds it is given to end when asked to."""

    def __init__(
        self,
        command: Command,
        *,
        name: str = "host",
        environment: Mapping[str, str] | None = None,
        callbacks: Callbacks | None = None,
        grace: float = 5.0,
        starts: int | None = None,
        inherit: bool | None = None,
    ) -> None:
        self._command, self._name, self._grace, self._starts = command, name, grace, starts
        self._environment = dict(environment or {})
        self._callbacks = callbacks or Callbacks()
        self._inherit = can_inherit() if inherit is None else inherit
        self._process: asyncio.subprocess.Process | None = None
        self._client: asyncio.Future[HostClient] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._incarnation = 0
        self._lives = False
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self._closing = asyncio.Event()
        self._unavailable: HostUnavailable | None = None
        self._at_work: Counter[str] = Counter()
        """How many segments of each run the host holds."""
        self._hidden: dict[str, Mapping[str, object]] = {}
        self._told: dict[str, str] = {}

    @property
    def pid(self) -> int | None:
        """The host's process id, None while there is none."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    @property
    def _title(self) -> str:
        return "the host" if self._name == "host" else f"the host of {self._name}"

    @property
    def given_up(self) -> str:
        """Why the host is not started any more; nothing where it is."""
        return "" if self._unavailable is None else str(self._unavailable)

    @property
    def ready(self) -> bool:
        """Whether a host has loaded its library, so that steps start at once."""
        client = self._client
        return client is not None and client.done() and client.exception() is None

    @property
    def at_work(self) -> str:
        """The run that the host works for, if there is one alone."""
        return next(iter(self._at_work)) if len(self._at_work) == 1 else ""

    @property
    def place(self) -> str:
        return f"{self._name}#{self._incarnation}"

    @property
    def realm(self) -> str:
        """This machine's."""
        return ""

    def lives(self, place: str) -> bool:
        """Whether it is this incarnation that a value was made in."""
        return place == self.place

    async def start(self) -> None:
        """Start the host, as the first request does; returns before it has loaded. `schemas` waits for that."""
        if self._supervisor is None:
            self._client = asyncio.get_running_loop().create_future()
            self._supervisor = asyncio.create_task(self._supervise(), name=f"supervise {self._name}")

    async def close(self) -> None:
        """End the host: ask it, then tell it, then kill it."""
        self._closing.set()
        if self._client is not None and self._client.done() and not self._client.exception():
            self._client.result().tell(p.Quit())
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is None:
            return
        if self._process is not None:
            await self._end(self._process)
            await asyncio.wait({supervisor}, timeout=self._grace)
        if not supervisor.done():
            supervisor.cancel()
            await asyncio.wait({supervisor})
            self._lose(f"{self._title} was stopped")

    async def schemas(self) -> Sequence[NodeSchema]:
        client = await self._ready()
        return (await asyncio.shield(client.loaded)).schemas

    async def inquire(self, run: str, inquiries: Sequence[Inquiry]) -> Sequence[Answer]:
        return await (await self._ready()).inquire(run, inquiries)

    async def run(self, segment: Segment, report: Reporter) -> None:
        client = await self._ready()
        if segment.hidden is not None:
            self._hidden[segment.run] = segment.hidden
        elif self._told.get(segment.run) != client.place and segment.run in self._hidden:
            segment = replace(segment, hidden=self._hidden[segment.run])  # a host of this run has died meanwhile
        self._told[segment.run] = client.place
        self._at_work[segment.run] += 1
        try:
            await client.run(segment, report)
        except HostRefused as error:
            node = segment.tasks[0].node
            report([Ended(node, Failure(error.kind, f"the host could not run the step: {error}", node=node))])
        finally:
            self._at_work[segment.run] -= 1
            if not self._at_work[segment.run]:
                del self._at_work[segment.run]

    async def interrupt(self, run: str) -> None:
        self._tell(p.Interrupt(run))
        asyncio.get_running_loop().call_later(STUCK_AFTER, self._end_stuck, run, self.place)

    def _end_stuck(self, run: str, place: str) -> None:
        """A node that neither looks up nor can be jolted holds the device for ever: its host must go."""
        if self._at_work[run] and place == self.place and self.pid is not None:
            log.warning("run %s does not end though it was interrupted; %s is killed", run, self._title)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def release(self, fingerprints: Sequence[Fingerprint]) -> None:
        if fingerprints:
            self._tell(p.Release(list(fingerprints)))

    async def finish(self, run: str, *, keep: bool = False) -> None:
        self._hidden.pop(run, None)
        self._told.pop(run, None)
        self._tell(p.Finish(run, keep))

    async def ask(self, topic: str, data: object = None) -> object:
        """A question that is not about steps. Raises LookupError for an unknown topic, HostRefused, HostLost."""
        return await (await self._ready()).ask(topic, data)

    async def fetch(self, fingerprint: Fingerprint, output: int, *, shared: bool = False) -> p.Parcel:
        """The items of a held output, for another host to `store`; `shared`: for one with the same shared memory.

        Raises HostRefused for live objects, HostLost.
        """
        return await (await self._ready()).fetch(fingerprint, output, shared=shared)

    async def store(self, fingerprint: Fingerprint, outputs: Mapping[int, p.Parcel]) -> None:
        """Have the host hold these items as outputs of the step. Raises HostRefused, HostLost."""
        await (await self._ready()).store(fingerprint, outputs)

    def arrived(self, parcels: Iterable[p.Parcel]) -> None:
        """What this host packed has been stored elsewhere, or will not be."""
        slabs = [parcel.slab for parcel in parcels if parcel.slab]
        if slabs:
            self._tell(p.Arrived(slabs))

    def _tell(self, message: p.Interrupt | p.Release | p.Finish | p.Arrived) -> None:
        if self._client is not None and self._client.done() and not self._client.exception():
            self._client.result().tell(message)

    async def _ready(self) -> HostClient:
        """The host that runs now, when it has loaded; the next one, if it is just being started again."""
        if self._unavailable is not None:
            raise self._unavailable
        if self._closing.is_set():
            raise HostLost(self.place, f"{self._title} is not running")
        await self.start()
        assert self._client is not None
        return await asyncio.shield(self._client)

    async def _supervise(self) -> None:
        failures = 0
        while not self._closing.is_set():
            self._incarnation += 1
            self._lives = True
            self._words.clear()
            loaded, reason = False, ""
            try:
                loaded, reason = await self._live()
            except CannotStart as error:
                self._give_up(str(error), error.remedy)
                return
            except Exception as error:  # whatever it is, there will be a next host
                reason = f"{self._title} could not be run: {error}"
                log.debug("%s", reason, exc_info=True)
                if self._process is not None:
                    await self._end(self._process)
            self._lose(reason)
            if self._closing.is_set():
                return
            failures = 0 if loaded else failures + 1
            if self._starts is not None and failures >= self._starts:
                self._give_up(reason, "See the log for what it says; start the server again when that is mended")
                return
            log.warning("%s; it is started again", reason)
            await asyncio.sleep(0 if loaded else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)))

    def _give_up(self, reason: str, remedy: str) -> None:
        """There will be no next host: who waits for it is told."""
        log.error("%s. %s", reason, remedy)
        self._unavailable = HostUnavailable(reason, remedy)
        if self._client is not None and not self._client.done():
            self._client.set_exception(self._unavailable)
            self._client.exception()
        self._callbacks.gave_up(reason)

    def _lose(self, reason: str) -> None:
        """Tell everyone who waits for this incarnation; who comes now waits for the next."""
        client, self._process = self._client, None
        assert client is not None
        if not self._closing.is_set():
            self._client = asyncio.get_running_loop().create_future()
        if client.done() and not client.exception():
            client.result().lose(reason)
        elif not client.done():
            client.set_exception(HostLost(self.place, reason))
            client.exception()
        if self._lives:
            self._lives = False
            self._callbacks.lost(self.place, reason)

    async def _live(self) -> tuple[bool, str]:
        """One life of the host: whether it had loaded, and why it ended. Raises CannotStart."""
        command = await self._command() if callable(self._command) else self._command
        with Pair() if self._inherit else Listener() as address:
            process = self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment, ADDRESS_VARIABLE: address.address},
                pass_fds=address.inherited,
                start_new_session=True,
            )
            pump = asyncio.create_task(self._pump(process))
            connection = await self._connected(address, process)
        problem = ""
        if connection is not None:
            client = HostClient(connection, self.place, self._callbacks.said)
            announce = asyncio.create_task(self._announce(client))
            try:
                await self._listened(client, process)
            except ValueError as error:
                problem = str(error)
            loaded = announce.done() and not announce.cancelled() and announce.result()
            announce.cancel()
            await connection.close()
        else:
            loaded = False
        await self._end(process)
        await asyncio.wait({pump}, timeout=1)
        pump.cancel()
        reason = problem or self._cause(process, loaded=loaded)
        if connection is not None and not loaded and client.loading and not self._closing.is_set():
            self._callbacks.broke(client.loading, reason)
        return loaded, reason

    async def _listened(self, client: HostClient, process: asyncio.subprocess.Process) -> None:
        """Until the host is gone: its copies and children may hold the connection open longer. Raises ValueError."""
        listening, dying = asyncio.ensure_future(client.listen()), asyncio.ensure_future(_exit(process, LOOK_EVERY))
        try:
            await asyncio.wait({listening, dying}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({listening}, timeout=None if not dying.done() else LAST_FRAMES)
            if listening.done():
                listening.result()
        finally:
            listening.cancel()
            dying.cancel()

    async def _connected(self, address: Pair | Listener, process: asyncio.subprocess.Process) -> Connection | None:
        """The connection, or None when the host dies, or takes too long, before it makes one."""
        connecting = asyncio.create_task(address.connect())
        dying = asyncio.create_task(process.wait())
        await asyncio.wait({connecting, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if connecting.done():
            try:
                return connecting.result()
            except TimeoutError:
                return None
        connecting.cancel()
        return None

    async def _announce(self, client: HostClient) -> bool:
        """Wait until the library is loaded and say so; whether it was."""
        try:
            loaded = await asyncio.shield(client.loaded)
        except LoadError as error:
            self._words.append(error.trace)
            return False
        except HostLost:
            return False
        assert self._client is not None
        self._client.set_result(client)
        client.changed = self._callbacks.ready
        self._callbacks.ready(loaded)
        return True

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what the host prints."""
        assert process.stdout is not None
        chatter = Chatter(self._words)
        while chunk := await process.stdout.read(65_536):
            self._pass_on(chatter.take(chunk))
            await asyncio.sleep(0)  # whatever it prints, the server's other work comes in between
        self._pass_on(chatter.take(b""))

    def _pass_on(self, lines: Sequence[str]) -> None:
        try:
            for line in lines:
                self._callbacks.line(line)
        except Exception:  # a log that cannot be written must not block the host that writes to it
            log.exception("a line of the host's output could not be passed on")

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the process to end, with growing pressure."""
        for press in (None, process.terminate, process.kill):
            if press is not None:
                with contextlib.suppress(ProcessLookupError):
                    press()
            try:
                async with asyncio.timeout(self._grace):
                    await _exit(process, 0.01)
                return
            except TimeoutError:
                continue

    def _cause(self, process: asyncio.subprocess.Process, *, loaded: bool) -> str:
        code = process.returncode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                what = f"was killed by {signal.Signals(-code).name}"
                more = " (the memory may have been full)" if -code == getattr(signal, "SIGKILL", 9) else ""
                return f"{self._title} {what}{more}"
        reason = f"{self._title} ended with status {code}"
        last = next((word for word in map(plain, reversed(self._words)) if word.strip()), "")
        return reason if loaded or not last else f"{reason} while it started: {last.strip().splitlines()[-1]}"
