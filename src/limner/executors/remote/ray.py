"""Agents as Ray actors: their calls, and how the server finds them.

An agent is a named actor in the namespace `NAMESPACE`, called `worker:<name>`. Values are objects in Ray's store: one
agent leaves them there, and another takes them from there, from machine to machine.

Call `token.use_token` before this is imported: Ray reads its environment then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil
import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from .calls import AgentGone, Fetched, Given, Greeting, Held, Reference

log = logging.getLogger(__name__)

NAMESPACE = "limner"
PREFIX = "worker:"
DEFAULT_PORT = 6379
START_SECONDS, REACH_SECONDS, STOP_SECONDS = 90.0, 5.0, 10.0
RAY = (sys.executable, "-m", "ray.scripts.scripts")
UNWATCHED = {"RAY_memory_monitor_refresh_ms": "0"}
"""Where memory is short, Ray would end agents, which have none: it does not see the hosts behind them."""
CHECK = "Check the address, that Ray runs there, and that its ports are open"


class NoCluster(RuntimeError):
    """There is no Ray to connect to; `remedy` says what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(problem)


class NameTaken(RuntimeError):
    """There is an agent of this name already."""


class RayAgent:
    """`calls.AgentCalls` of the actor of a name, which may be another one after a while."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._actor: Any = None

    async def hello(self) -> Greeting:
        """Written as JSON: an agent of another version is understood as far as it says who it is."""
        try:
            self._actor = await asyncio.to_thread(ray.get_actor, PREFIX + self._name)
            return msgspec.json.decode(await answer(self._actor.hello.remote()), type=Greeting)
        except ValueError as error:
            raise AgentGone("its process is gone") from error
        except (AttributeError, msgspec.MsgspecError) as error:
            raise AgentGone(f"it is no worker of this version: {error}") from error
        except (RayError, RuntimeError, ConnectionError) as error:
            raise AgentGone(f"Ray does not answer: {_first_line(error)}") from error

    async def open(self, session: str) -> Sequence[Held] | None:
        held: Sequence[Held] | None = await answer(self._actor.open.remote(session))
        return held

    async def take(self, session: str, frames: Sequence[bytes]) -> None:
        await answer(self._actor.take.remote(session, list(frames)))

    async def give(self, session: str, seconds: float) -> Given:
        given: Given = await answer(self._actor.give.remote(session, seconds))
        return given

    async def fetch(self, session: str, fingerprint: str, output: int) -> Fetched:
        about, data = self._actor.fetch.options(num_returns=2).remote(session, fingerprint, output)
        fetched: Fetched = await answer(about)
        return replace(fetched, data=data)

    async def store(self, session: str, fingerprint: str, output: int, data: Reference) -> Fetched:
        stored: Fetched = await answer(self._actor.store.remote(session, fingerprint, output, data))
        return stored

    async def put(self, data: bytes) -> Reference:
        return await asyncio.to_thread(ray.put, data)

    async def get(self, data: Reference) -> bytes:
        content: bytes = await answer(data)
        return content


async def answer(reference: Any) -> Any:
    """What a call of an actor gave. Raises AgentGone for whatever Ray cannot do, and for errors of the actor's."""
    try:
        return await reference
    except RayTaskError as error:
        raise AgentGone(f"it failed: {error.cause if error.cause is not None else _first_line(error)}") from error
    except RayActorError as error:
        raise AgentGone("its process is gone") from error
    except RayError as error:
        raise AgentGone(f"it cannot be reached: {_first_line(error)}") from error


def connect(address: str) -> Joined:
    """Connect a server to Ray at an address (`auto`, `HOST:PORT`, `ray://HOST:PORT`). Raises NoCluster.

    `auto` is the Ray of this machine, which is started where there is none, and stays when this process ends: so do the
    workers. With `HOST:PORT`, this machine becomes a part of that cluster, if it is not; with `ray://`, it does not.
    """
    if address.startswith("ray://"):
        _connect(address)
        return Joined(address, None)
    if address == "auto" and not _here():
        _start_head()
    return join(address)


def _start_head() -> None:
    """Raises NoCluster."""
    done = _run_ray(["start", "--head", f"--port={DEFAULT_PORT}", "--include-dashboard=false", "--disable-usage-stats"])
    if done.returncode:
        raise NoCluster(f"Ray could not be started: {_last_line(done.stdout + done.stderr)}", "See what Ray says")
    here = f"{ray.util.get_node_ip_address()}:{DEFAULT_PORT}"
    token = "RAY_AUTH_TOKEN=TOKEN " if os.environ.get("RAY_AUTH_MODE") == "token" else ""
    log.info("Ray was started. Here: limner worker; on other machines: %slimner worker --address %s", token, here)
    if token:
        log.info("the TOKEN is what `ray get-auth-token` prints on this machine")


def _connect(address: str) -> None:
    """Raises NoCluster."""
    _reach(address)
    try:
        _init(address)
    except ConnectionError as error:
        raise NoCluster(f"there is no Ray at {address}: {error}", CHECK) from error


def _here() -> str:
    """The address of the cluster that this machine is a part of, if that answers; else nothing.

    What Ray leaves behind when it dies says no less than that it is there, and Ray waits for it for minutes.
    """
    written = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir())) / "ray" / "ray_current_cluster"
    try:
        address = os.environ.get("RAY_ADDRESS") or written.read_text("utf-8").strip()
        _reach(address)
    except (OSError, NoCluster) as error:
        log.debug("no Ray on this machine: %s", error)
        return ""
    return address


class Joined:
    """This machine as a part of a cluster."""

    def __init__(self, address: str, node: subprocess.Popen[bytes] | None) -> None:
        self.address, self._node = address, node

    @property
    def accelerators(self) -> int:
        """How many there are on this machine."""
        here = ray.get_runtime_context().get_node_id()
        return sum(int(node["Resources"].get("GPU", 0)) for node in ray.nodes() if node["NodeID"] == here)

    def actor(self, cls: type, name: str, arguments: Sequence[object], *, accelerators: int) -> Any:
        """An agent of this name, as long as this process lives, on this machine. Raises NameTaken."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"name": PREFIX + name, "num_cpus": 0, "num_gpus": accelerators, "scheduling_strategy": here}
        try:
            return ray.remote(cls).options(**options).remote(*arguments)
        except ValueError as error:
            raise NameTaken(name) from error

    def leave(self) -> None:
        """End the connection, and the part of Ray that was started for it."""
        ray.shutdown()
        if self._node is not None:
            self._node.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._node.wait(STOP_SECONDS)


def join(address: str) -> Joined:
    """Make this machine a part of the cluster at `HOST:PORT`, or of the Ray of this machine (`auto`).

    Raises NoCluster.
    """
    if address.startswith("ray://"):
        raise NoCluster(f"{address} is for servers", f"Name the address of the cluster itself: HOST:{DEFAULT_PORT}")
    _reach(address)
    if (here := _here()) and (address == "auto" or _same(address, here)):
        _connect(here)
        return Joined(here, None)
    if address == "auto":
        raise NoCluster("there is no Ray on this machine", f"Name the server's: --address HOST:{DEFAULT_PORT}")
    return _joined(address)


def _joined(address: str) -> Joined:
    """Start a part of that cluster here; it ends with this process. Raises NoCluster.

    To connect where there is none would end this process, not only the attempt.
    """
    with tempfile.TemporaryFile("w+") as said:
        node = subprocess.Popen(
            [*RAY, "start", f"--address={address}", "--disable-usage-stats", "--block"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, **UNWATCHED},
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not (here := _here()) or not _same(address, here):
            if node.poll() is not None or time.monotonic() > deadline:
                node.terminate()
                said.seek(0)
                raise NoCluster(f"this machine cannot join the Ray at {address}: {_last_line(said.read())}", CHECK)
            time.sleep(0.2)
    _connect(here)
    return Joined(here, node)


def _same(one: str, other: str) -> bool:
    """Whether two addresses are one."""
    return one.rpartition(":")[2] == other.rpartition(":")[2] and bool(_hosts(one) & _hosts(other))


def _hosts(address: str) -> set[str]:
    """The addresses of its machine."""
    name = address.rpartition(":")[0].strip("[]")
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    except OSError:
        return {name}
    ours = {entry.address for entries in psutil.net_if_addrs().values() for entry in entries}
    return found | ours if found & ours else found


def _reach(address: str) -> None:
    """Raises NoCluster for an address that is none, or that nobody answers at: Ray itself would wait for long."""
    if address == "auto":
        return
    place = address.removeprefix("ray://")
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise NoCluster(f"{address!r} is no address", f"Give HOST:{DEFAULT_PORT}, ray://HOST:10001, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise NoCluster(f"nobody answers at {address}: {error}", CHECK) from error


def _init(address: str) -> None:
    """Raises ConnectionError."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(
            address=address,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except (RayError, ValueError, RuntimeError, TimeoutError) as error:
        raise ConnectionError(_first_line(error)) from error


def _run_ray(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Raises NoCluster."""
    try:
        return subprocess.run(
            [*RAY, *arguments],
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **UNWATCHED},
            start_new_session=True,  # what ends this process by its terminal leaves Ray alone
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCluster(f"Ray could not be started: {error}", "See the logs of Ray") from error


def _last_line(text: str) -> str:
    words = [line.strip() for line in text.splitlines() if line.strip()]
    return words[-1] if words else "it ended without a word"


def agents() -> list[str]:
    """The names of the agents that there are now. Raises AgentGone where Ray does not answer."""
    try:
        named = ray.util.list_named_actors()
    except (RayError, RuntimeError, ConnectionError) as error:
        raise AgentGone(f"Ray does not answer: {_first_line(error)}") from error
    return [name.removeprefix(PREFIX) for name in named if name.startswith(PREFIX)]


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
