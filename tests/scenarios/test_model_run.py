"""The default workflow on the built-in model, as the editor runs it: progress, previews, cache, interruption."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import websockets

from comfyui_api import ComfyUIAPI
from limner.cli.generate import default_document
from tests.support.live_server import LiveServer

PREVIEW = 1
"""The first four bytes of a binary frame that holds a picture."""


async def run(server: LiveServer, seed: int, text: str = "red apple", steps: int = 4) -> list[dict[str, Any] | bytes]:
    """All frames of a run of the default workflow."""
    api = ComfyUIAPI(server.url)
    frames: list[dict[str, Any] | bytes] = []
    url = f"{server.url.replace('http', 'ws')}/ws?clientId={api.client_id}"
    async with asyncio.timeout(120), websockets.connect(url, max_size=None) as socket:
        queued = asyncio.create_task(asyncio.to_thread(api.execute_workflow, document(seed, text, steps)))
        while True:
            frame = await socket.recv()
            frames.append(frame if isinstance(frame, bytes) else json.loads(frame))
            last = frames[-1]
            if isinstance(last, dict) and last["type"].startswith("execution_") and last["type"] in ENDS:
                break
        assert (await queued).ok
    return frames


ENDS = ("execution_success", "execution_error", "execution_interrupted")


def document(seed: int, text: str, steps: int) -> dict[str, Any]:
    """The default workflow in the editor's form, which the server takes too."""
    workflow = default_document()
    for node in workflow["nodes"]:
        if node["id"] == 3:
            node["widgets_values"][0], node["widgets_values"][2] = seed, steps
        if node["id"] == 6:
            node["widgets_values"][0] = text
    return workflow


def of(frames: list[dict[str, Any] | bytes], kind: str) -> list[dict[str, Any]]:
    return [frame["data"] for frame in frames if isinstance(frame, dict) and frame["type"] == kind]


async def test_a_run_shows_progress_previews_and_the_picture(server: LiveServer) -> None:
    frames = await run(server, 1)
    assert [(data["node"], data["value"], data["max"]) for data in of(frames, "progress")][-1] == ("3", 4, 4)
    previews = [frame for frame in frames if isinstance(frame, bytes) and int.from_bytes(frame[:4], "big") == PREVIEW]
    assert previews and previews[0][8:10] == b"\xff\xd8", "a JPEG after the kind of frame and of picture"
    (executed,) = of(frames, "executed")
    (image,) = executed["output"]["images"]
    saved = Path(server.base) / "output" / image["filename"]
    assert executed["node"] == "9" and saved.read_bytes().startswith(b"\x89PNG")


async def test_only_what_depends_on_a_change_runs_again(server: LiveServer) -> None:
    await run(server, 2)
    frames = await run(server, 2, text="rocket")
    (cached,) = of(frames, "execution_cached")
    assert set(cached["nodes"]) >= {"4", "5", "7"}
    ran = {data["node"] for data in of(frames, "executing")} - {None}
    assert ran == {"3", "6", "8", "9"}


async def test_an_equal_run_takes_everything_from_the_cache(server: LiveServer) -> None:
    await run(server, 3)
    frames = await run(server, 3)
    assert of(frames, "progress") == []
    assert {data["node"] for data in of(frames, "executing")} <= {None}


async def test_an_interruption_stops_the_sampler_and_the_next_run_works(server: LiveServer) -> None:
    api = ComfyUIAPI(server.url)
    url = f"{server.url.replace('http', 'ws')}/ws?clientId={api.client_id}"
    async with asyncio.timeout(120), websockets.connect(url, max_size=None) as socket:
        running = asyncio.create_task(asyncio.to_thread(api.execute_workflow, document(4, "rocket", 5000)))
        done = 0
        async for frame in socket:
            if isinstance(frame, str):
                message = json.loads(frame)
                if message["type"] == "progress":
                    done = message["data"]["value"]
                    if done == 2:
                        await asyncio.to_thread(api.interrupt)
                if message["type"] in ENDS:
                    break
        result = await running
    assert result["status"] == "error" and result["error"]["type"] == "interrupted"
    assert done < 500
    assert api.execute_workflow(document(5, "rocket", 2)).ok


async def test_a_seed_gives_the_same_picture_and_another_seed_another(server: LiveServer) -> None:
    api = ComfyUIAPI(server.url)

    def drawn(seed: int, steps: int) -> bytes:
        (image,) = api.execute_workflow(document(seed, "red apple", steps)).images
        return pixels(api.download(image))

    first, other = drawn(6, 2), drawn(7, 2)
    api.free()
    assert drawn(6, 2) == first != other


def pixels(picture: bytes) -> bytes:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        return image.tobytes()
