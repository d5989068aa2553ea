"""All hosts of one server: the one that is shared, and those of packs with a host of their own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from limner.engine.ports import Executor, HostLost, HostUnavailable
from limner.executors.exchange import Host, Traffic
from limner.executors.process import Callbacks, ProcessExecutor
from limner.executors.router import Router
from limner.files import Folders
from limner.plugins.shared import FOLDER_VARIABLE, MEMORY, make_folder
from limner.settings import Settings

from .adopted import Adopted
from .node_set import SHARED
from .pack_hosts import STARTS, OwnHost, own_command, own_hosts, shared_command
from .quarantine import Quarantine

log = logging.getLogger(__name__)


class Hosts:
    """`executor` is what the engine runs steps on; `by_name` has the host of each name, `SHARED` first.

    Raises NoComfyUI where one is to be adopted that is not there.
    """

    def __init__(self, settings: Settings, folders: Folders) -> None:
        self.adopted = Adopted(settings, folders) if settings.comfyui is not None else None
        own = own_hosts(folders) if self.adopted is None else ()  # packs of a ComfyUI work there as they did
        self.own: Mapping[str, OwnHost] = {host.name: host for host in own}
        self.quarantine = Quarantine(folders)
        self._settings = settings
        self._memory: Path | None = None
        self._router: Router | None = None
        self.by_name: dict[str, Host] = {}
        self._processes: dict[str, ProcessExecutor] = {}

    @property
    def homes(self) -> Mapping[str, str]:
        """The names of own hosts by the module of their nodes."""
        return {host.module: host.name for host in self.own.values()}

    @property
    def shared(self) -> Host:
        return self.by_name[SHARED]

    @property
    def executor(self) -> Executor:
        """One host needs no router."""
        return self.shared if self._router is None else self._router

    def share_memory(self, *, outside: bool = False) -> Path | None:
        """The folder of the memory that all hosts share; None where there is one host, or no such memory.

        `outside`: others than the hosts use it too.
        """
        if (self.own or outside) and self._memory is None:
            _tidy_memory()
            self._memory = make_folder()
        return self._memory

    def make(
        self,
        told: Mapping[str, str],
        callbacks: Callable[[str], Callbacks],
        home: Callable[[str], str],
        shared: Host | None = None,
    ) -> None:
        """Make the executors. `told` goes into each host's environment; `callbacks` are those of the host of a name.

        `home` names the host of a node type. `shared` is the shared host, if it is no process of its own.
        """
        memory = self.share_memory() or self._memory
        common = {**told, **({FOLDER_VARIABLE: str(memory)} if memory is not None else {})}
        if shared is None:
            self._processes[SHARED] = self._shared(common, callbacks(SHARED))
        for name, host in self.own.items():
            self._processes[name] = ProcessExecutor(
                own_command(host, self._settings),
                name=name,
                environment={**common, **host.variables()},
                callbacks=callbacks(name),
                starts=STARTS,
            )
        self.by_name = {**({} if shared is None else {SHARED: shared}), **self._processes}
        self._router = Router(self.by_name, home, _title) if self.own else None

    def _shared(self, environment: Mapping[str, str], callbacks: Callbacks) -> ProcessExecutor:
        if self.adopted is not None:
            command = self.adopted.command(self.quarantine)
            environment = {**environment, **self.adopted.variables()}
        else:
            command = shared_command(self._settings, self.quarantine)
        return ProcessExecutor(command, environment=environment, callbacks=callbacks)

    @property
    def traffic(self) -> Traffic:
        """What has been copied from host to host."""
        return Traffic() if self._router is None else self._router.traffic

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids of the hosts that live, by name."""
        return {name: pid for name, host in self._processes.items() if (pid := host.pid) is not None}

    def at_work(self, name: str) -> str:
        """The run that this host works for, if there is one alone."""
        host = self._processes.get(name)
        return "" if host is None else host.at_work

    @property
    def ready(self) -> bool:
        """Whether the shared host has loaded, so that most steps start at once."""
        return self.shared.ready

    async def ask(self, topic: str, data: object = None) -> object:
        """Ask the shared host. Raises LookupError for an unknown topic, HostRefused, HostLost."""
        return await self.shared.ask(topic, data)

    async def ask_all(self, topic: str) -> None:
        """Ask every host that has loaded; one that is gone needs no answer."""
        asked = (host.ask(topic) for host in self.by_name.values() if host.ready)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException) and not isinstance(answer, HostLost | LookupError):
                raise answer

    async def start(self) -> None:
        """Start them all; returns before they have loaded."""
        for host in self._processes.values():
            await host.start()

    async def acquaint(self, knows: Callable[[str], bool]) -> None:
        """Start the hosts whose nodes are not known yet, and wait for them; the others start when they are needed."""
        unknown = [host.schemas() for name, host in self._processes.items() if not knows(name)]
        for problem in await asyncio.gather(*unknown, return_exceptions=True):
            if isinstance(problem, BaseException) and not isinstance(problem, HostLost | HostUnavailable):
                raise problem

    async def close(self) -> None:
        await asyncio.gather(*(host.close() for host in self._processes.values()))
        if self._memory is not None:
            shutil.rmtree(self._memory, ignore_errors=True)


def _title(name: str) -> str:
    return "the shared host" if name == SHARED else f"the host of {name}"


def _tidy_memory() -> None:
    """Remove the folders of servers that were killed."""
    with contextlib.suppress(OSError):
        for folder in MEMORY.glob("limner-*-*"):
            pid = folder.name.split("-")[1]
            if folder.stat().st_uid == os.getuid() and pid.isdigit() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)
