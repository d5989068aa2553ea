"""A worker: the hosts of this machine, or of one of its devices, for a server elsewhere.

It has folders of its own: models and packs are looked for where they would be if a server ran here. What it makes goes
to the server, and stays in its hosts as long as the server remembers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from limner import __version__
from limner.engine.ports import HostLost, Said
from limner.executors.exchange import Host
from limner.executors.process import Callbacks
from limner.executors.remote.agent import Agent
from limner.executors.remote.calls import Greeting
from limner.files import MissingFile
from limner.plugins import protocol
from limner.plugins.client import Loaded
from limner.plugins.errors import HostRefused
from limner.settings import Settings

from .folders import prepared_folders
from .host_lines import logged
from .hosts import Hosts
from .node_set import SHARED, NodeSet

log = logging.getLogger(__name__)

NO_MODELS = frozenset({"custom_nodes", "configs"})
"""Kinds of model folders that hold no models."""


def own_settings(settings: Settings, name: str) -> Settings:
    """Those of a worker of this name: what it writes down on the way lies apart from what others do."""
    temp = settings.temp_directory.parent / "workers" / name / "temp"
    return replace(settings, port=0, temp_directory=temp)


class Worker:
    """`agent` answers a server. Raises FileProblem for unusable folders, NoComfyUI."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        shutil.rmtree(settings.temp_directory, ignore_errors=True)  # of a worker before
        self._folders = prepared_folders(settings)
        self._hosts = Hosts(settings, self._folders)
        self._nodes = NodeSet(self._folders, self._hosts.homes, settings.comfyui)
        self._device: Mapping[str, Any] = {}
        memory = self._hosts.share_memory(outside=True)
        self._hosts.make({}, self._callbacks, self._nodes.home)
        self.agent = Agent(cast(Host, self._hosts.executor), self._greeting, memory)

    async def start(self) -> None:
        """Start the hosts; returns before they have loaded."""
        await self._hosts.start()

    async def close(self) -> None:
        await self.agent.close()
        await self._hosts.close()

    def _callbacks(self, name: str) -> Callbacks:
        """What happens to the host of this name is told to the agent."""

        def ready(loaded: Loaded) -> None:
            self._device = {}
            self._nodes.loaded(name, loaded)
            self._tell_nodes()

        def lost(place: str, reason: str) -> None:
            self.agent.lost(reason, reloads=name == SHARED)

        def broke(pack: str, reason: str) -> None:
            if pack not in self._hosts.own and self._hosts.quarantine.blame(pack, reason, ""):
                self._nodes.leave_out(pack, reason)

        def gave_up(reason: str) -> None:
            self._nodes.unavailable(name, reason)
            if self._hosts.shared.ready:
                self._tell_nodes()

        line = logged(name, lambda: self._hosts.at_work(name))
        return Callbacks(line, said=self._said, ready=ready, lost=lost, broke=broke, gave_up=gave_up)

    def _said(self, said: Said) -> None:
        self.agent.said(said)

    def _tell_nodes(self) -> None:
        catalog = self._nodes.catalog
        schemas = [catalog[node_type] for node_type in catalog]
        self.agent.loaded(Loaded(schemas, list(catalog.absent.items())))

    async def _greeting(self) -> Greeting:
        device = await self._its_device()
        kind = str(device.get("type", ""))
        catalog = self._nodes.catalog
        return Greeting(
            self.name,
            __version__,
            protocol.VERSION,
            time.time(),
            machine=socket.gethostname(),
            device=str(device.get("name", "")),
            accelerated=kind not in ("", "cpu"),
            memory=int(device.get("vram_total", 0)) if kind not in ("", "cpu") else 0,
            node_types={node_type: catalog[node_type].version for node_type in catalog},
            models=await asyncio.to_thread(self._models),
        )

    def _models(self) -> Mapping[str, Sequence[str]]:
        """What it has, or can fetch. A store that cannot be asked has nothing."""
        found = {}
        for kind in self._folders.models:
            if kind not in NO_MODELS:
                with contextlib.suppress(MissingFile):
                    found[kind] = self._folders.model_files(kind)
        return found

    async def _its_device(self) -> Mapping[str, Any]:
        """Asked once for each life of the host; nothing is known before that has loaded."""
        if not self._device and self._hosts.shared.ready:
            try:
                stats = await self._hosts.ask("stats")
            except (HostLost, HostRefused) as error:
                log.debug("the host did not tell of its devices: %s", error)
                stats = None
            devices = stats.get("devices") if isinstance(stats, Mapping) else None
            if devices:
                self._device = devices[0]
        return self._device
