"""What the server serves of the packs in its host: asked for whenever a host has loaded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from limner.comfy.packs_web import web_folders
from limner.files import Folders
from limner.server.packs import PackSurface, unchanged

log = logging.getLogger(__name__)


class Asked(Protocol):
    async def ask(self, topic: str, data: object = None) -> object: ...


class HostPacks:
    """Keeps a `PackSurface` up to date. Until a host has loaded it knows the folders that stand in the packs' code."""

    def __init__(self, hosts: Mapping[str, Asked], folders: Folders) -> None:
        self._hosts = hosts
        self.surface = PackSurface(web_folders(folders.model_folder("custom_nodes").paths))
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._handlers: set[str] = set()
        """The hosts whose packs look at what is queued."""

    def refresh(self, name: str) -> None:
        """Ask the host anew, in the background."""
        asking = self._asking.get(name)
        if asking is None or asking.done():
            self._asking[name] = asyncio.get_running_loop().create_task(self._ask(name))

    async def _ask(self, name: str) -> None:
        try:
            told = await self._hosts[name].ask("packs")
        except Exception as error:
            log.warning("a host did not tell of its packs: %s", error)
            return
        if isinstance(told, Mapping):
            self.surface.learn(name, told)
            (self._handlers.add if told.get("on_prompt") else self._handlers.discard)(name)
            self.surface.on_prompt = self._on_prompt if self._handlers else unchanged

    async def _on_prompt(self, body: Any) -> Any:
        """What the packs make of a request to queue a workflow; as it is, where a host cannot be asked."""
        for name in sorted(self._handlers):
            try:
                body = await self._hosts[name].ask("on_prompt", body)
            except Exception as error:
                log.warning("the packs were not asked about a workflow: %s", error)
        return body
