"""Bad input over HTTP: the answer names the node and the remedy, and the next run works."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from comfyui_api import ComfyUIAPI
from tests.faults.cases import CASES, chain, good
from tests.support.live_server import LiveServer, live_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("base")) as running:
        yield running


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_told(server: LiveServer, name: str) -> None:
    case = CASES[name]
    case.files(server.base)
    api = ComfyUIAPI(server.url)
    result = api.execute_workflow(case.prompt, timeout=120)
    told = json.dumps([result["error"], result["node_errors"]])
    assert result["status"] == "error"
    assert (result["prompt_id"] == "") is case.rejected
    assert "Traceback" not in told and 'File "' not in told
    for word in case.says:
        assert word in told
    assert not (server.base / "sprung").exists()
    assert api.execute_workflow(good(name), timeout=120).ok


def test_a_chain_of_ten_thousand_nodes_runs(server: LiveServer) -> None:
    result = ComfyUIAPI(server.url).execute_workflow(chain(10_000), timeout=300)
    assert result.ok, result
    assert result.images[0].filename == "chain_00001_.png"
