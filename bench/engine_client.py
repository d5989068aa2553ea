"""A client that queues workflows and hears of their ends on one WebSocket."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import aiohttp

Socket: TypeAlias = aiohttp.ClientWebSocketResponse
PATIENCE = 120.0


class Client:
    def __init__(
        self, url: str, name: str, session: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse
    ) -> None:
        self._url, self._name, self._session, self._socket = url, name, session, ws

    async def ready(self) -> None:
        """Until the nodes are loaded."""
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self._session.get(f"{self._url}/readyz") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.05)

    async def run(self, prompt: dict[str, Any]) -> float:
        """Milliseconds from queueing it until its success is heard of. Raises RuntimeError where it fails."""
        started = time.perf_counter()
        run = await self.post(prompt)
        async with asyncio.timeout(PATIENCE):
            async for message in self._socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                frame = json.loads(message.data)
                if frame["type"] == "execution_error":
                    raise RuntimeError(message.data[:500])
                if frame["type"] == "execution_success" and frame["data"]["prompt_id"] == run:
                    return (time.perf_counter() - started) * 1000
        raise RuntimeError("the server closed the WebSocket")

    async def post(self, prompt: dict[str, Any]) -> str:
        body = {"prompt": prompt, "client_id": self._name}
        async with self._session.post(f"{self._url}/prompt", json=body) as answer:
            told = await answer.json()
            if answer.status != 200:
                raise RuntimeError(json.dumps(told)[:500])
            return str(told["prompt_id"])

    async def post_many(self, prompts: Sequence[dict[str, Any]]) -> None:
        for prompt in prompts:
            await self.post(prompt)

    async def length(self) -> None:
        """Ask how long the queue is."""
        async with self._session.get(f"{self._url}/prompt") as answer:
            await answer.read()

    async def clear(self) -> None:
        """Empty the queue, stop what runs, and wait until nothing does."""
        for path, body in (("/queue", {"clear": True}), ("/interrupt", {})):
            async with self._session.post(self._url + path, json=body) as answer:
                await answer.read()
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self._session.get(f"{self._url}/prompt") as answer:
                    if not (await answer.json())["exec_info"]["queue_remaining"]:
                        return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def open_client(url: str) -> AsyncIterator[Client]:
    name = uuid.uuid4().hex
    async with aiohttp.ClientSession() as session:
        address = f"{url.replace('http', 'ws', 1)}/ws?clientId={name}"
        async with session.ws_connect(address, max_msg_size=0) as ws:
            yield Client(url, name, session, ws)
