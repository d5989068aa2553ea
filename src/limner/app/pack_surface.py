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

    def __init__(self, hosts: Asked, folders: Folders) -> None:
        self._hosts = hosts
        self.surface = PackSurface(web_folders(folders.model_folder("custom_nodes").paths))
        self._asking: asyncio.Task[None] | None = None

    def refresh(self) -> None:
        """Ask anew, in the background."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        try:
            told = await self._hosts.ask("packs")
        except Exception as error:
            log.warning("the host did not tell of its packs: %s", error)
            return
        if isinstance(told, Mapping):
            self.surface.learn(told)
            self.surface.on_prompt = self._on_prompt if told.get("on_prompt") else unchanged

    async def _on_prompt(self, body: Any) -> Any:
        """What the packs make of a request to queue a workflow; as it is, where no host can be asked."""
        try:
            return await self._hosts.ask("on_prompt", body)
        except Exception as error:
            log.warning("the packs were not asked about a workflow: %s", error)
            return body
