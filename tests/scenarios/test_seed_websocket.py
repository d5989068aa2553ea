"""The WebSocket client of the seed, as its reader would type it, against a live server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from comfyui_api import ComfyUIAPI
from tests.scenarios.workflows import failing, inverted, texts
from tests.support.live_server import LiveServer

SEED = Path(__file__).parents[1] / "fixtures" / "seed" / "q5_websocket.py"


def client_class() -> Any:
    """The reader's class; the line at the end that starts it for good is left to the tests."""
    source = SEED.read_text("utf-8").replace("asyncio.run(main())", "")
    names: dict[str, Any] = {"__name__": "q5"}
    exec(compile(source, str(SEED), "exec"), names)
    return names["ComfyUIWebSocket"]


async def watch(server: LiveServer, workflow: dict[str, Any]) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]]]:
    """Run a workflow while the client listens; gives the prompt's id, the frames and the pictures that it was told."""
    frames: list[dict[str, Any]] = []
    pictures: list[dict[str, Any]] = []
    ended = asyncio.Event()

    class Watching(client_class()):  # type: ignore[misc]
        async def handle_message(self, message: dict[str, Any]) -> None:
            frames.append(message)
            await super().handle_message(message)
            if message["type"] in ("execution_success", "execution_error"):
                ended.set()

        async def download_image(self, image_data: dict[str, Any]) -> None:
            pictures.append(image_data)

    client = Watching(server.url.replace("http://", "ws://") + "/ws")
    await client.connect()
    listening = asyncio.create_task(client.listen())
    result = await asyncio.to_thread(ComfyUIAPI(server.url).execute_workflow, workflow)
    async with asyncio.timeout(30):
        await ended.wait()
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    await client.close()
    return result["prompt_id"], frames, pictures


async def test_it_hears_of_a_run_and_gets_its_pictures(server: LiveServer, capsys: pytest.CaptureFixture[str]) -> None:
    prompt_id, frames, pictures = await watch(server, inverted("seed"))
    said = capsys.readouterr().out
    assert said.startswith("状态: ")
    assert f"执行开始: {prompt_id}" in said
    assert f"执行成功: {prompt_id}" in said
    assert [picture["filename"] for picture in pictures] == ["seed_00001_.png"]
    assert (server.base / "output" / "seed_00001_.png").is_file()
    kinds = [frame["type"] for frame in frames if frame.get("prompt_id") == prompt_id]
    assert kinds[0] == "execution_start" and "execution_success" in kinds


async def test_a_failed_run_tells_its_error_at_the_top(server: LiveServer, capsys: pytest.CaptureFixture[str]) -> None:
    prompt_id, frames, _ = await watch(server, failing())
    assert "执行错误: " in capsys.readouterr().out
    last = next(frame for frame in frames if frame["type"] == "execution_error")
    assert last["prompt_id"] == prompt_id
    assert "outside" in json.dumps(last["error"])


async def test_outputs_without_pictures_can_be_walked_like_the_others(server: LiveServer) -> None:
    _, frames, pictures = await watch(server, texts())
    last = next(frame for frame in frames if frame["type"] == "execution_success")
    assert pictures == []
    assert all(output["images"] == [] for output in last["outputs"])


async def test_every_frame_has_a_type_data_and_a_growing_sequence(server: LiveServer) -> None:
    _, frames, _ = await watch(server, inverted("sequence", 0x00FF00))
    assert all({"type", "data", "sequence"} <= set(frame) for frame in frames)
    sequences = [frame["sequence"] for frame in frames]
    assert sequences == sorted(sequences)
