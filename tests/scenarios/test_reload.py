"""`limner serve --reload`: an author saves a file; the running server has the new nodes, and all that it had before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType

from tests.support.live_server import LiveServer, live_server

PACK = """
from limner.sdk import Image, Result, node
{more}

@node(output_node=True)
def soft_show(value: int = {value}) -> Result:
    return Result(ui={{"text": [f"{{value}} {value}"]}})
"""
PROBE = """
import os
from limner.sdk import Result, node

@node(output_node=True, volatile=True)
def host_process() -> Result:
    return Result(ui={"text": [str(os.getpid())]})
"""
LOADER = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "limner-emoji.safetensors"}}
ENCODE = {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "apple"}}
SHOWN = {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    base = tmp_path_factory.mktemp("reloading")
    write(base, 1)
    (base / "custom_nodes" / "probe.py").write_text(PROBE)
    with live_server(base, "--reload") as running:
        yield running


def write(base: Path, value: int, more: str = "") -> None:
    (base / "custom_nodes" / "soft").mkdir(parents=True, exist_ok=True)
    (base / "custom_nodes" / "soft" / "__init__.py").write_text(PACK.format(value=value, more=more))


class Client:
    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.frames: list[dict[str, Any]] = []

    async def run(self, **nodes: Any) -> dict[str, Any]:
        """Run nodes `n1`, `n2`, ...; gives the history's entry, or the refusal."""
        prompt = {name.removeprefix("n"): node for name, node in nodes.items()}
        async with self.session.post("/prompt", json={"prompt": prompt, "client_id": "me"}) as answer:
            told = await answer.json()
        if answer.status != 200:
            return dict(told)
        while True:
            async with self.session.get(f"/history/{told['prompt_id']}") as answer:
                found = await answer.json()
            if found:
                return dict(found[told["prompt_id"]])
            await asyncio.sleep(0.01)

    async def shown(self) -> str:
        entry = await self.run(n1={"class_type": "SoftShow", "inputs": {"value": 7}})
        return str(entry["outputs"]["1"]["text"][0])

    async def told(self, count: int) -> dict[str, Any]:
        """The `count`th message that packs were loaded anew."""
        async with asyncio.timeout(30):
            while len(found := [frame for frame in self.frames if frame["type"] == "packs_reloaded"]) < count:
                await asyncio.sleep(0.005)
        return dict(found[count - 1]["data"]["packs"][0])


@asynccontextmanager
async def connected(server: LiveServer) -> AsyncIterator[Client]:
    async with ClientSession(server.url) as session, session.ws_connect("/ws?clientId=me") as socket:
        client = Client(session)

        async def listen() -> None:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    client.frames.append(json.loads(message.data))

        listening = asyncio.create_task(listen())
        try:
            yield client
        finally:
            listening.cancel()


async def test_saving_a_file(server: LiveServer) -> None:
    async with connected(server) as client:
        assert await client.shown() == "7 1"
        assert (await client.run(n1=LOADER, n2=ENCODE, n3=SHOWN))["status"]["status_str"] == "success"
        host = await host_of(client)

        write(server.base, 2)
        assert await client.told(1) | {"seconds": 0} == {
            "pack": "soft",
            "nodes": 1,
            "seconds": 0,
            "failed": False,
            "problems": [],
        }
        assert await client.shown() == "7 2", "the old node's result is not taken from the cache"
        async with client.session.get("/object_info/SoftShow") as answer:
            assert (await answer.json())["SoftShow"]["input"]["required"]["value"][1]["default"] == 2

        entry = await client.run(n1=LOADER, n2=ENCODE, n3=SHOWN)
        cached = next(data for kind, data in entry["status"]["messages"] if kind == "execution_cached")
        assert {"1", "2"} <= set(cached["nodes"]), "what was loaded and computed is still there"
        assert await host_of(client) == host

        write(server.base, 3, "import no_such_module")
        told = await client.told(2)
        assert told["failed"] and told["problems"] == ["ModuleNotFoundError: No module named 'no_such_module'"]
        assert await client.shown() == "7 2", "the old nodes go on"
        assert "soft could not be imported anew" in (server.base / "server.log").read_text()

        write(server.base, 4)
        await client.told(3)
        assert await client.shown() == "7 4"

        (server.base / "custom_nodes" / "soft").rename(server.base / "custom_nodes" / "soft.disabled")
        assert await client.told(4) == {"pack": "soft", "gone": True}
        refused = await client.run(n1={"class_type": "SoftShow", "inputs": {}})
        assert refused["error"]["type"] == "missing_node_type"


async def host_of(client: Client) -> str:
    """The process that packs run in."""
    entry = await client.run(n1={"class_type": "HostProcess", "inputs": {}})
    return str(entry["outputs"]["1"]["text"][0])
