"""The seed's own endpoints in Flask over `comfyui_api.ComfyUIAPI`, as their reader would type them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.workflows import failing, inverted
from tests.support.live_server import LiveServer

SEED = Path(__file__).parents[1] / "fixtures" / "seed" / "q6_custom_api.py"


@pytest.fixture
def web(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the reader's web application."""
    monkeypatch.setenv("LIMNER_URL", server.url)
    names: dict[str, Any] = {"__name__": "q6"}
    exec(compile(SEED.read_text("utf-8"), str(SEED), "exec"), names)
    return names["app"].test_client()


def test_one_workflow(web: Any) -> None:
    answer = web.post("/api/custom/endpoint", json={"workflow": inverted("one"), "parameters": {}})
    assert answer.status_code == 200
    assert answer.json["status"] == "success"
    assert answer.json["images"][0]["filename"] == "one_00001_.png"


def test_a_batch_tells_of_each_whatever_the_others_did(web: Any) -> None:
    unknown = {"1": {"class_type": "Nothing", "inputs": {}}}
    answer = web.post("/api/custom/batch", json={"workflows": [inverted("many"), failing(), unknown]})
    first, second, third = answer.json
    assert first["status"] == "success"
    assert second["status"] == "error" and "outside" in second["error"]["message"]
    assert third["status"] == "error" and "Nothing" in third["error"]["message"]


def test_a_request_without_a_workflow_says_so(web: Any) -> None:
    answer = web.post("/api/custom/endpoint", json={})
    assert answer.json["status"] == "error"
    assert answer.json["error"]["type"] == "no_prompt"
