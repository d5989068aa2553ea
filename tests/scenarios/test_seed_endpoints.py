"""Every endpoint of the seed's list, against a live server; each also under /api."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from comfyui_api import ComfyUIAPI
from tests.scenarios.workflows import inverted
from tests.support.live_server import LiveServer

MODEL = "limner-emoji.safetensors"


def ask(url: str, method: str = "GET", body: object = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urlopen(request, timeout=60) as answer:
            status, content = answer.status, answer.read()
    except HTTPError as error:
        with error:
            status, content = error.code, error.read()
    try:
        return status, json.loads(content) if content else None
    except ValueError:
        return status, content


@pytest.fixture(params=["", "/api"])
def url(server: LiveServer, request: pytest.FixtureRequest) -> str:
    return server.url + request.param


@pytest.fixture
def api(server: LiveServer) -> ComfyUIAPI:
    return ComfyUIAPI(server.url)


@pytest.mark.parametrize("path", ["/prompt", "/queue"])
def test_a_workflow_is_executed_by_post(url: str, api: ComfyUIAPI, path: str) -> None:
    status, queued = ask(url + path, "POST", {"prompt": inverted(), "client_id": "x"})
    assert status == 200 and set(queued) >= {"prompt_id", "number", "node_errors"}
    assert api.wait(queued["prompt_id"], timeout=60).ok


def test_history_of_all_and_of_one(url: str, api: ComfyUIAPI) -> None:
    prompt_id = api.execute_workflow(inverted())["prompt_id"]
    assert prompt_id in ask(f"{url}/history")[1]
    status, one = ask(f"{url}/history/{prompt_id}")
    assert status == 200 and list(one) == [prompt_id]
    assert one[prompt_id]["status"]["completed"] is True
    assert ask(f"{url}/history/nothing")[0] == 404


def test_an_uploaded_picture_can_be_viewed(url: str, api: ComfyUIAPI, server: LiveServer, tmp_path: Path) -> None:
    (made,) = api.execute_workflow(inverted("upload")).images
    picture = api.download(made)
    (tmp_path / "mine.png").write_bytes(picture)
    uploaded = api.upload_image(tmp_path / "mine.png")
    assert (server.base / "input" / uploaded["name"]).read_bytes() == picture
    query = urlencode({"filename": uploaded["name"], "type": "input"})
    assert ask(f"{url}/view?{query}") == (200, picture)


def test_a_picture_is_viewed_by_its_name_in_the_path(url: str, api: ComfyUIAPI) -> None:
    (made,) = api.execute_workflow(inverted("by name")).images
    status, picture = ask(f"{url}/view/{made.filename.replace(' ', '%20')}")
    assert status == 200 and picture.startswith(b"\x89PNG")
    assert ask(f"{url}/view/nothing.png")[0] == 404
    assert ask(f"{url}/view/..%2f..%2fserver.log")[0] in (400, 403, 404)


def test_system_stats_tell_of_the_machine(url: str) -> None:
    status, stats = ask(f"{url}/system_stats")
    assert status == 200
    assert stats["system"]["ram_total"] > 0 and stats["system"]["python_version"]
    assert stats["devices"][0]["type"] == "cpu"


def test_the_queue_shows_and_is_cleared(url: str, api: ComfyUIAPI) -> None:
    status, queue = ask(f"{url}/queue")
    assert status == 200 and set(queue) >= {"queue_running", "queue_pending"}
    assert ask(f"{url}/queue/clear", "POST")[0] == 200
    end = time.monotonic() + 30
    while api.queue()["queue_pending"] and time.monotonic() < end:
        time.sleep(0.05)
    assert api.queue()["queue_pending"] == []


def test_models_are_listed_loaded_and_unloaded(url: str) -> None:
    assert "checkpoints" in ask(f"{url}/models")[1]
    assert MODEL in ask(f"{url}/models/checkpoints")[1]
    status, answer = ask(f"{url}/models/load", "POST", {"folder": "checkpoints", "filename": MODEL})
    assert status == 200, answer
    status, answer = ask(f"{url}/models/unload", "POST", {})
    assert status == 200, answer


@pytest.mark.parametrize("name", ["nothing.safetensors", "../../secret.safetensors"])
def test_a_model_that_is_not_there_is_named(url: str, name: str) -> None:
    status, answer = ask(f"{url}/models/load", "POST", {"folder": "checkpoints", "filename": name})
    assert 400 <= status < 500
    assert name in json.dumps(answer)
