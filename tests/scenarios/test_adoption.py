"""A ComfyUI folder as the node library: its modules, its packs and its Python behind Limner's server and engine.

The folder is a stand-in of our own with ComfyUI's layout (`tests/fixtures/comfyui`); `tests/adoption` has the real one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import aiohttp
import psutil
import pytest
from PIL import Image

from comfyui_api import ComfyUIAPI
from tests.support.live_server import LiveServer, live_server

TREE = Path(__file__).parents[1] / "fixtures" / "comfyui"
PATIENCE = 60.0


def flags(tree: Path) -> tuple[str, ...]:
    return ("--comfyui", str(tree), "--comfyui-python", sys.executable)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("adopted") / "ComfyUI"
    shutil.copytree(TREE, place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.fixture(scope="module")
def server(tree: Path) -> Iterator[LiveServer]:
    with live_server(tree, *flags(tree), "--comfyui-arguments", "--brightness 0.5") as running:
        yield running


@pytest.fixture
def api(server: LiveServer) -> ComfyUIAPI:
    return ComfyUIAPI(server.url)


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def ask(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def working(steps: int) -> dict[str, Any]:
    return {
        "1": {"class_type": "StandInImage", "inputs": {"side": 16, "model": "one.safetensors"}},
        "2": {"class_type": "StandInSteps", "inputs": {"image": ["1", 0], "steps": steps}},
        "3": {"class_type": "StandInSave", "inputs": {"images": ["2", 0], "text": ["1", 1]}},
    }


def test_its_nodes_are_those_that_there_are(api: ComfyUIAPI, server: LiveServer) -> None:
    nodes = ask(f"{server.url}/object_info")
    assert set(nodes) == {"StandInImage", "StandInSteps", "StandInSave", "StandInThird", "SmallSays", "SmallDies"}
    assert nodes["StandInImage"]["display_name"] == "Stand-in Image"
    assert nodes["SmallSays"]["python_module"] == "custom_nodes.small_pack"
    assert nodes["StandInThird"]["display_name"] == "Third" and nodes["StandInThird"]["api_node"] is False
    log = (server.base / "server.log").read_text()
    assert "a_module_that_is_not_there" in log


def test_its_lists_of_models_are_fresh(server: LiveServer, tree: Path) -> None:
    def models() -> Any:
        return ask(f"{server.url}/object_info/StandInImage")["StandInImage"]["input"]["required"]["model"][0]

    assert models() == ["one.safetensors"]
    (tree / "models" / "checkpoints" / "two.safetensors").write_bytes(b"y")
    try:
        assert models() == ["one.safetensors", "two.safetensors"]
    finally:
        (tree / "models" / "checkpoints" / "two.safetensors").unlink()


def test_a_workflow_runs_on_its_nodes(api: ComfyUIAPI, tree: Path) -> None:
    result = api.execute_workflow(working(3), timeout=PATIENCE)
    assert result.ok, result
    assert result.outputs["3"]["text"] == ["one.safetensors 1"]
    with Image.open(tree / "output" / "stand_in_0.png") as picture:
        assert picture.getpixel((3, 3)) == (191, 191, 191)  # 1 - 0.5 * 0.5


def test_a_node_of_the_newer_interface(api: ComfyUIAPI) -> None:
    prompt = {
        "7": {"class_type": "StandInThird", "inputs": {"text": "made"}},
        "8": {"class_type": "SmallSays", "inputs": {"text": ["7", 0]}},
    }
    assert api.execute_workflow(prompt, timeout=PATIENCE).outputs["8"]["said"] == ["made by 7"]


async def test_progress_previews_and_a_packs_messages_reach_the_client(server: LiveServer) -> None:
    kinds: list[str] = []
    prompt = working(4)
    prompt["4"] = {"class_type": "SmallSays", "inputs": {"text": ["1", 1]}}
    prompt["1"]["inputs"]["side"] = 17
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{server.url}/ws?clientId=me") as socket:
        await session.post(f"{server.url}/prompt", json={"prompt": prompt, "client_id": "me"})
        async with asyncio.timeout(PATIENCE):
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    kinds.append("picture")
                    continue
                event = message.json()
                kinds.append(event["type"])
                if event["type"] == "progress":
                    assert (event["data"]["node"], event["data"]["max"]) == ("2", 4)
                if event["type"] in ("execution_success", "execution_error"):
                    break
    assert {"picture", "progress", "small", "execution_success"} <= set(kinds)


def test_its_packs_serve_their_routes_and_files(server: LiveServer) -> None:
    def answered() -> bool:
        try:
            return bool(ask(f"{server.url}/small/hello")["started"] == "yes")
        except (HTTPError, ValueError):
            return False

    until(answered)
    assert "/extensions/small_pack/small.js" in ask(f"{server.url}/extensions")
    with urlopen(f"{server.url}/extensions/small_pack/small.js", timeout=30) as answer:
        assert b"small" in answer.read()


def test_it_says_what_it_runs_on_and_unloads(server: LiveServer) -> None:
    until(lambda: ask(f"{server.url}/system_stats")["devices"][0]["name"] == "stand-in")
    assert ask(f"{server.url}/free", {"unload_models": True}) == {}


def test_a_run_can_be_interrupted(server: LiveServer) -> None:
    prompt = working(9_000)
    prompt["1"]["inputs"]["side"] = 18
    run = ask(f"{server.url}/prompt", {"prompt": prompt})["prompt_id"]
    until(lambda: ask(f"{server.url}/queue")["queue_running"])
    ask(f"{server.url}/interrupt", {})
    until(lambda: not ask(f"{server.url}/queue")["queue_running"])
    entry = ask(f"{server.url}/history/{run}")[run]
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


def test_a_killed_host_loses_no_job(server: LiveServer, api: ComfyUIAPI) -> None:
    prompt = working(200)
    prompt["1"]["inputs"]["side"] = 19
    run = ask(f"{server.url}/prompt", {"prompt": prompt})["prompt_id"]
    until(lambda: ask(f"{server.url}/queue")["queue_running"])
    (host,) = psutil.Process(server.pid).children()
    os.kill(host.pid, signal.SIGKILL)
    until(lambda: ask(f"{server.url}/jobs/{run}")["status"] == "completed")


def test_a_node_that_kills_it_fails_by_name(api: ComfyUIAPI) -> None:
    failed = api.execute_workflow(
        {
            "1": {"class_type": "StandInThird", "inputs": {"text": "a"}},
            "2": {"class_type": "SmallDies", "inputs": {"text": ["1", 0]}},
        },
        timeout=PATIENCE,
    )
    assert not failed.ok and "SmallDies" in str(failed["error"])


def test_a_command_runs_on_it(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "workflow.json").write_text(json.dumps(working(2)))
    command = [sys.executable, "-m", "limner.cli", "run", str(tmp_path / "workflow.json"), *flags(tree), "--cpu"]
    done = subprocess.run(
        [*command, "--output-directory", str(tmp_path)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "stand_in_0.png").is_file()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tree: (tree / "nodes.py").unlink(), "is no ComfyUI: it has no nodes.py"),
        (lambda tree: None, "no Python of the ComfyUI"),
    ],
)
def test_what_cannot_be_adopted_is_said(tmp_path: Path, change: Callable[[Path], None], words: str) -> None:
    tree = tmp_path / "ComfyUI"
    shutil.copytree(TREE, tree, ignore=shutil.ignore_patterns("__pycache__"))
    change(tree)
    command = [sys.executable, "-m", "limner.cli", "serve", "--port", "0", "--comfyui", str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
