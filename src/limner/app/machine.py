"""What the server may know of its hosts, and ask of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import uuid4

import psutil

from limner.engine import Engine, Reason, RunRequest, admit
from limner.engine.ports import Executor
from limner.files import Folders
from limner.graph import Catalog, Graph, Node
from limner.graph.validate import Verdict
from limner.plugins.errors import HostRefused
from limner.server.services import MachineError

log = logging.getLogger(__name__)

LOADERS: Mapping[str, tuple[str, str]] = {
    "checkpoints": ("CheckpointLoaderSimple", "ckpt_name"),
    "vae": ("VAELoader", "vae_name"),
}
"""Kinds of models that can be loaded by themselves: the node that does it, and its input."""


class Hosts(Protocol):
    """An executor, and what can be asked about its hosts."""

    @property
    def executor(self) -> Executor: ...

    @property
    def ready(self) -> bool:
        """Whether a host has loaded, so that steps start at once."""
        ...

    async def ask(self, topic: str, data: object = None) -> object: ...

    async def ask_all(self, topic: str) -> None: ...


class Workers(Protocol):
    """Those on other machines."""

    def home_device(self, accelerated: bool) -> None:
        """What device the server's own host has."""
        ...

    async def ask_all(self, topic: str) -> None: ...


class HostMachine:
    """The `limner.server.Machine` of hosts that this server started."""

    def __init__(
        self,
        hosts: Hosts,
        engine: Engine,
        folders: Folders,
        catalog: Callable[[], Catalog],
        cluster: Workers | None = None,
    ) -> None:
        """`cluster`: workers on other machines, if there are any."""
        self._hosts, self._engine, self._folders, self._catalog = hosts, engine, folders, catalog
        self._cluster = cluster
        self._versions: Mapping[str, str] = {}
        self._devices: Sequence[Mapping[str, Any]] = ()
        self._asking: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        return self._hosts.ready

    def devices(self) -> Sequence[Mapping[str, Any]]:
        """As they were when last asked, with this machine's memory as it is now for those without their own."""
        self.refresh()
        memory = psutil.virtual_memory()
        shared = {"vram_total": memory.total, "vram_free": memory.available}
        known = self._devices or ({"name": "cpu", "type": "cpu", "index": None},)
        return [{**shared, "torch_vram_total": 0, "torch_vram_free": 0, **device} for device in known]

    def versions(self) -> Mapping[str, str]:
        return self._versions

    def refresh(self) -> None:
        """Ask the hosts anew, in the background."""
        if self.ready and (self._asking is None or self._asking.done()):
            self._asking = asyncio.get_running_loop().create_task(self._ask_stats())

    async def _ask_stats(self) -> None:
        try:
            stats = await self._hosts.ask("stats")
        except Exception as error:
            log.debug("the host did not tell of its devices: %s", error)
            return
        if isinstance(stats, Mapping):
            self._devices = stats.get("devices", ())
            self._versions = stats.get("versions", {})
            if self._cluster is not None:
                self._cluster.home_device(any(device.get("type") != "cpu" for device in self._devices))

    async def admit(self, run: str, graph: Graph, targets: Sequence[str] | None, home: str = "") -> Verdict:
        choices, executor = self._folders.of(home).choices, self._hosts.executor
        return await admit(executor, run, graph, self._catalog(), targets=targets, choices=choices, home=home)

    def explain(self, run: str) -> Sequence[Reason] | None:
        return self._engine.explain(run)

    async def free(self, *, models: bool, cache: bool) -> None:
        if cache:
            await self._engine.clear_cache()
        if models and self.ready:
            try:
                await self._hosts.ask_all("unload")
            except HostRefused as error:
                raise MachineError(f"A host failed: {error}", "The server's log says why") from error
        if models and self._cluster is not None:
            await self._cluster.ask_all("unload")

    async def load_model(self, kind: str, name: str) -> None:
        """Run the loader's node for itself: what it gives is remembered, and workflows find it loaded."""
        self._folders.resolve(kind, name)
        if kind not in LOADERS:
            raise MachineError(
                f"Models of the kind {kind!r} are loaded with the model that they belong to",
                f"Only these can be loaded ahead: {', '.join(LOADERS)}",
            )
        node_type, value = LOADERS[kind]
        graph = Graph.of([Node("1", node_type, {value: name})])
        run = f"load-{uuid4().hex}"
        result = await self._engine.run(RunRequest(run, graph, ["1"], self._catalog()))
        if result.failure is not None:
            raise MachineError(result.failure.message, result.failure.remedy)
