"""Frames over the WebSocket and as server-sent events."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any, cast

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from limner.engine.ports import Said
from limner.runs import Bus, Notice
from limner.server import socket as sockets
from limner.server.socket import SOCKETS
from tests.support.in_process import PREVIEW, Serving, chain

Socket = ClientWebSocketResponse


async def frames_until(socket: Socket, kind: str, run: str | None = None) -> list[Any]:
    """JSON frames as objects and binary ones as bytes, up to the first of this type (and run)."""
    found: list[Any] = []
    async with asyncio.timeout(10):
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.BINARY:
                found.append(message.data)
                continue
            assert message.type is WSMsgType.TEXT, message
            frame = json.loads(message.data)
            found.append(frame)
            if frame["type"] == kind and run in (None, frame.get("prompt_id")):
                return found


def kinds(frames: list[Any]) -> list[str]:
    """The types of the JSON frames, without those that say how long the queue is."""
    return [frame["type"] for frame in frames if isinstance(frame, dict) and frame["type"] != "status"]


async def ended(socket: Socket, run: str) -> list[Any]:
    """The frames up to the one that says that nothing runs any more."""
    found: list[Any] = []
    while not found or found[-1].get("data", {}).get("node", "") is not None:
        found += await frames_until(socket, "executing", run)
    return found


async def test_a_new_client_is_told_its_id_and_the_length_of_the_queue(served: Serving) -> None:
    async with served.client.ws_connect("/ws") as socket:
        frame = await socket.receive_json(timeout=5)
    assert frame["type"] == "status"
    assert frame["data"]["status"] == {"exec_info": {"queue_remaining": 0}}
    assert frame["data"]["sid"]
    async with served.client.ws_connect("/api/ws?clientId=mine") as socket:
        assert (await socket.receive_json(timeout=5))["data"]["sid"] == "mine"


async def test_the_frames_of_a_run(served: Serving) -> None:
    async with served.client.ws_connect("/ws?clientId=mine") as socket:
        run = await served.queue(chain("Slow", value=7), client_id="mine")
        frames = await ended(socket, run)
    told = kinds(frames)
    assert told[0] == "execution_start"
    assert told[1] == "execution_cached"
    assert told[-2:] == ["execution_success", "executing"]
    assert {"executing", "progress", "progress_state", "executed"} <= set(told)
    by_kind = {frame["type"]: frame for frame in frames if isinstance(frame, dict)}
    assert by_kind["progress"]["data"] == {"value": 2, "max": 2, "prompt_id": run, "node": "2"}
    picture = {"filename": "x7.png", "subfolder": "", "type": "output"}
    executed = by_kind["executed"]["data"]
    assert executed == {"node": "9", "display_node": "9", "output": {"images": [picture]}, "prompt_id": run}
    states = by_kind["progress_state"]["data"]["nodes"]
    assert states["2"]["state"] == "finished" and states["2"]["value"] == states["2"]["max"] == 2
    assert states["2"]["display_node_id"] == states["2"]["real_node_id"] == "2"


async def test_run_frames_stand_at_the_top_level_too(served: Serving) -> None:
    async with served.client.ws_connect("/ws?clientId=mine") as socket:
        run = await served.queue(chain(value=3), client_id="mine")
        frames = [frame for frame in await ended(socket, run) if isinstance(frame, dict)]
    about = [frame for frame in frames if frame["type"] != "status"]
    assert all(frame["prompt_id"] == run == frame["data"]["prompt_id"] for frame in about)
    (success,) = [frame for frame in about if frame["type"] == "execution_success"]
    assert success["outputs"] == [{"node": "9", "images": [{"filename": "x3.png", "subfolder": "", "type": "output"}]}]
    sequences = [frame["sequence"] for frame in frames if frame["sequence"]]
    assert sequences == sorted(sequences)


async def test_a_failed_run_ends_with_its_error(served: Serving) -> None:
    async with served.client.ws_connect("/ws?clientId=mine") as socket:
        run = await served.queue(chain("Fails"), client_id="mine")
        frames = await ended(socket, run)
    (error,) = [frame for frame in frames if isinstance(frame, dict) and frame["type"] == "execution_error"]
    assert error["prompt_id"] == run
    assert "cannot take 5" in error["error"] and "Fails" in error["error"]
    data = error["data"]
    assert (data["node_id"], data["node_type"], data["exception_type"]) == ("2", "Fails", "ValueError")
    assert data["executed"] == ["1"]
    assert isinstance(data["traceback"], list) and isinstance(data["current_inputs"], dict)


async def test_an_interrupted_run_says_so(served: Serving) -> None:
    async with served.client.ws_connect("/ws?clientId=mine") as socket:
        run = await served.queue(chain("Wait"), client_id="mine")
        await frames_until(socket, "progress", run)
        await served.client.post("/interrupt", json={"prompt_id": run})
        frames = await ended(socket, run)
    (stopped,) = [frame for frame in frames if isinstance(frame, dict) and frame["type"] == "execution_interrupted"]
    assert stopped["data"]["node_id"] == "2" and stopped["error"]
    assert "execution_error" not in kinds(frames)


async def test_previews_are_binary_plain_or_with_metadata(served: Serving) -> None:
    async with served.client.ws_connect("/ws?clientId=plain") as socket:
        run = await served.queue(chain("Slow", steps=1), client_id="plain")
        (plain,) = [frame for frame in await ended(socket, run) if isinstance(frame, bytes)]
    assert struct.unpack(">II", plain[:8]) == (1, 1)
    assert plain[8:] == PREVIEW
    async with served.client.ws_connect("/ws?clientId=rich") as socket:
        await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        told = (await frames_until(socket, "feature_flags"))[-1]
        assert told["data"]["supports_preview_metadata"] is True
        run = await served.queue(chain("Slow", value=6, steps=1), client_id="rich")
        (rich,) = [frame for frame in await ended(socket, run) if isinstance(frame, bytes)]
    kind, length = struct.unpack(">II", rich[:8])
    assert kind == 4
    metadata = json.loads(rich[8 : 8 + length])
    assert metadata["node_id"] == metadata["display_node_id"] == "2"
    assert metadata["prompt_id"] == run and metadata["image_type"] == "image/jpeg"
    assert rich[8 + length :] == PREVIEW


async def test_a_client_gets_its_own_runs_and_an_observer_gets_all_in_json(served: Serving) -> None:
    async with served.client.ws_connect("/ws") as observer, served.client.ws_connect("/ws?clientId=other") as other:
        run = await served.queue(chain("Slow"), client_id="someone")
        seen = await ended(observer, run)
        assert "execution_success" in kinds(seen)
        assert not any(isinstance(frame, bytes) for frame in seen)
        mine = await served.queue(chain(), client_id="other")
        assert all(frame["prompt_id"] == mine for frame in await ended(other, mine) if frame["type"] != "status")


async def test_an_editor_without_an_id_gets_one_and_its_previews(served: Serving) -> None:
    async with served.client.ws_connect("/ws") as socket:
        sid = (await socket.receive_json(timeout=5))["data"]["sid"]
        await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        await frames_until(socket, "feature_flags")
        await served.run(chain(value=9), client_id="another")
        run = await served.queue(chain("Slow"), client_id=sid)
        frames = await ended(socket, run)
    assert any(isinstance(frame, bytes) for frame in frames)
    about = [frame for frame in frames if isinstance(frame, dict) and frame["type"] != "status"]
    assert {frame["prompt_id"] for frame in about} == {run}


async def test_what_was_missed_is_replayed(served: Serving) -> None:
    run = await served.run(chain(value=4), client_id="mine")
    async with served.client.ws_connect("/ws?clientId=mine&since=0") as socket:
        frames = await ended(socket, run)
    assert kinds(frames)[0] == "execution_start"
    last = frames[-1]["sequence"]
    async with served.client.ws_connect(f"/ws?clientId=mine&since={last}") as socket:
        again = await served.queue(chain(value=5), client_id="mine")
        assert all(frame.get("prompt_id") != run for frame in await ended(socket, again))


async def test_a_client_that_comes_back_gets_what_it_missed(served: Serving) -> None:
    async with served.client.ws_connect("/ws?clientId=mine") as socket:
        first = await served.queue(chain(value=1), client_id="mine")
        await ended(socket, first)
    second = await served.run(chain(value=2), client_id="mine")
    async with served.client.ws_connect("/ws?clientId=mine") as socket:
        frames = await ended(socket, second)
    assert {frame["prompt_id"] for frame in frames if "prompt_id" in frame} == {second}


async def test_the_answer_comes_before_what_is_remembered(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    async with served.client.ws_connect("/ws?clientId=mine") as socket:
        monkeypatch.setattr(sockets, "HEAD_START", 3600.0)
        run = await served.queue(chain(value=3), client_id="mine")
        await ended(socket, run)  # what has to run is told as it happens
        monkeypatch.setattr(sockets, "HEAD_START", 0.4)
        began = loop.time()
        again = await served.queue(chain(value=3), client_id="mine")
        await frames_until(socket, "execution_cached", again)
        assert loop.time() - began >= 0.4


async def test_the_status_follows_the_queue(served: Serving) -> None:
    async with served.client.ws_connect("/ws") as socket:
        run = await served.queue(chain())
        await ended(socket, run)
        frames = await frames_until(socket, "status")
    assert frames[-1]["data"]["status"]["exec_info"]["queue_remaining"] == 0


async def test_nonsense_from_a_client_is_ignored(served: Serving) -> None:
    async with served.client.ws_connect("/ws?clientId=mine") as socket:
        for text in ("{", "[]", '{"type": 5}', '{"type": "feature_flags", "data": "x"}'):
            await socket.send_str(text)
        run = await served.queue(chain(), client_id="mine")
        assert "execution_success" in kinds(await ended(socket, run))


async def test_a_bad_since_is_refused(served: Serving) -> None:
    assert (await served.client.get("/ws?since=yesterday")).status == 400
    assert (await served.client.get("/events?since=-1")).status == 400


async def test_events_are_sent_as_server_sent_events(served: Serving) -> None:
    run = await served.run(chain(value=8))
    found: list[tuple[str, str, Any]] = []
    async with served.client.get(f"/events?since=0&prompt_id={run}") as answer, asyncio.timeout(10):
        assert answer.content_type == "text/event-stream"
        fields: dict[str, str] = {}
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name in ("id", "event", "data"):
                fields[name] = value
            elif not name and "data" in fields:
                found.append((fields["id"], fields["event"], json.loads(fields["data"])))
                fields = {}
                if found[-1][1] == "execution_success":
                    break
    assert [kind for _, kind, _ in found][:2] == ["execution_start", "execution_cached"]
    assert all(str(data["sequence"]) == identifier and data["type"] == kind for identifier, kind, data in found)


def never_reads(served: Serving, name: str) -> socket.socket:
    """A client that opens a WebSocket and takes nothing from it."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.connect((served.client.host, served.client.port))
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    found.sendall(f"GET /ws?clientId={name} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n{key}\r\n\r\n".encode())
    return found


async def test_a_client_that_never_reads_holds_nobody_up_and_little_memory(
    served: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SEND_TIMEOUT", 0.5)
    large = Said("large", "x" * 2**20)
    with never_reads(served, "stalled") as stalled:
        async with served.client.ws_connect("/ws?clientId=mine") as socket, asyncio.timeout(20):
            clients = served.client.server.app[SOCKETS]._clients  # type: ignore[attr-defined]
            while "stalled" not in clients:
                await asyncio.sleep(0.01)
            transport = clients["stalled"]._transport
            bus = cast(Bus, served.services.bus)
            for _ in range(40):
                bus.publish([Notice(large, client="stalled")])
                await asyncio.sleep(0.005)
                assert transport.get_write_buffer_size() < 3 * 2**20
            run = await served.queue(chain(), client_id="mine")
            assert "execution_success" in kinds(await ended(socket, run))
            while "stalled" in clients:
                await asyncio.sleep(0.01)
        assert stalled.fileno() >= 0


async def test_a_client_that_connects_after_it_has_queued_a_job_hears_of_it(served: Serving) -> None:
    run = await served.run(chain(), client_id="late")
    async with served.client.ws_connect("/ws?clientId=late") as socket:
        seen = []
        while True:
            frame = await socket.receive_json(timeout=5)
            seen.append(frame["type"])
            if frame["type"] == "executing" and frame["data"]["node"] is None:
                assert frame["data"]["prompt_id"] == run
                break
    assert {"execution_start", "executed", "execution_success"}.issubset(seen)
