"""What packs serve: files for the editor, HTTP routes and sockets, and what they do to the queue."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType

from tests.support.live_server import LiveServer, live_server

PACKS = Path(__file__).parents[1] / "fixtures" / "packs_served"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    base = tmp_path_factory.mktemp("served")
    shutil.copytree(PACKS, base / "custom_nodes", ignore=shutil.ignore_patterns("__pycache__"))
    with live_server(base) as running:
        yield running


@pytest.fixture
async def client(server: LiveServer) -> AsyncIterator[ClientSession]:
    async with ClientSession(server.url) as session:
        for _ in range(200):  # the host may not have told of its routes yet
            async with session.get("/webby/hello/x") as answer:
                if answer.status == 200:
                    break
            await asyncio.sleep(0.05)
        yield session


async def read(client: ClientSession, path: str) -> Any:
    async with client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_files_for_the_editor(client: ClientSession) -> None:
    paths = await read(client, "/api/extensions")
    wanted = ["/extensions/webby/webby.js", "/extensions/projected/p.js", "/extensions/webby_legacy/old.js"]
    assert set(wanted) <= set(paths)
    for path in (*wanted, "/api/extensions/webby/docs/WebbyNode.md", "/extensions/webby/docs/WebbyNode/zh.md"):
        async with client.get(path) as answer:
            assert answer.status == 200, path
    async with client.get("/extensions/webby/webby.js") as answer:
        assert answer.content_type == "text/javascript"
    for path in ("/extensions/webby/../__init__.py", "/extensions/webby/%2e%2e/__init__.py", "/extensions/webby/no.js"):
        async with client.get(path) as answer:
            assert answer.status in (400, 404), path


async def test_translations_and_templates(client: ClientSession) -> None:
    assert (await read(client, "/api/i18n"))["zh"]["nodeDefs"]["WebbyNode"]["display_name"] == "网"
    assert (await read(client, "/api/workflow_templates"))["webby"] == ["first"]
    assert (await read(client, "/api/workflow_templates/webby/first.json"))["nodes"] == []


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_routes(client: ClientSession, prefix: str) -> None:
    told = await read(client, f"{prefix}/webby/hello/a%20b%2Fc?x=1&y=%C3%A9")
    assert told == {"hello": "a b/c", "query": {"x": "1", "y": "é"}}
    async with client.post(f"{prefix}/webby/echo", data=io.BytesIO(b"\0" * 3_000_000)) as answer:
        assert answer.status == 201
        assert answer.headers["X-Length"] == "3000000"
        assert await answer.read() == b"\0" * 3_000_000
    async with client.get(f"{prefix}/webby/files/webby.js") as answer:
        assert "app.js" in await answer.text()


async def test_routes_of_the_server_stay_its_own(client: ClientSession) -> None:
    assert "devices" in await read(client, "/system_stats")
    async with client.get("/webby/nothing") as answer:
        assert answer.status == 404


async def test_strangers_pages_do_not_reach_packs(client: ClientSession) -> None:
    async with client.post("/webby/echo", data=b"x", headers={"Origin": "http://evil.example"}) as answer:
        assert answer.status == 403


async def test_a_route_that_breaks_says_no_more_than_that(client: ClientSession) -> None:
    async with client.get("/webby/breaks") as answer:
        assert answer.status == 500
        assert "Traceback" not in await answer.text()


async def test_sockets_and_messages(client: ClientSession) -> None:
    async with client.ws_connect("/webby/socket") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str(timeout=10) == "hello!"
    async with client.ws_connect("/ws?clientId=me") as socket:
        await client.get("/webby/notify")
        assert (await awaited(socket, "webby.said"))["text"] == "hi"


async def awaited(socket: Any, kind: str) -> Any:
    async with asyncio.timeout(20):
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.json()["type"] == kind:
                return message.json()["data"]
    return None


async def test_handlers_change_what_is_queued_and_nodes_speak_to_their_client(client: ClientSession) -> None:
    async with client.ws_connect("/ws?clientId=mine") as socket:
        prompt = {"1": {"class_type": "WebbyNode", "inputs": {"value": 4}}}
        async with client.post("/prompt", json={"prompt": prompt, "client_id": "mine"}) as answer:
            run = (await answer.json())["prompt_id"]
        ran = await awaited(socket, "webby.ran")
        assert (ran["value"], ran["client"]) == (5, "mine")
        await awaited(socket, "execution_success")
    told = (await read(client, f"/history/{run}"))[run]
    assert told["outputs"]["1"]["text"] == ["5"]
    seen = await read(client, "/webby/queue")
    assert seen["left"] == 0 and seen["past"] >= 1


async def test_the_users_folder(client: ClientSession, server: LiveServer) -> None:
    assert await read(client, "/webby/user") == {"user": "default", "outside": None}
    assert (server.base / "user/default/webby/notes.txt").read_text() == "noted"
