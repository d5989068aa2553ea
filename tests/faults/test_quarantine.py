"""Packs that kill the shared host: at their import, or whenever their node runs. They are named and left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from comfyui_api import ComfyUIAPI
from tests.support.live_server import live_server

PATIENCE = 90.0
NODE = """
import os


class {name}:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "test"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"a": ("INT", {{"default": 0}})}}}}

    @classmethod
    def IS_CHANGED(cls, a):
        return float("nan")

    def run(self, a):
        {body}
        return (a,)


NODE_CLASS_MAPPINGS = {{"{name}": {name}}}
"""


def write(base: Path, pack: str, code: str) -> Path:
    folder = base / "custom_nodes" / pack
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text(code)
    return folder


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if true():
                return
        except (HTTPError, LookupError, RuntimeError):
            pass
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def run(api: ComfyUIAPI, node: str, a: int = 0) -> Any:
    return api.execute_workflow({"1": {"class_type": node, "inputs": {"a": a}}}, timeout=PATIENCE)


def test_a_pack_that_kills_the_host_at_its_import_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a_deadly", "import os\nos._exit(13)\n")
    write(tmp_path, "b_fine", NODE.format(name="Fine", body="pass"))
    with live_server(tmp_path) as server:
        api = ComfyUIAPI(server.url)
        assert run(api, "Fine").ok
        missing = run(api, "OfTheDeadly")
        assert "a_deadly: it is quarantined" in str(missing["error"])
    log = (tmp_path / "server.log").read_text()
    assert "the pack a_deadly is quarantined after 2 times" in log and "status 13" in log
    with live_server(tmp_path) as server:
        assert run(ComfyUIAPI(server.url), "Fine").ok
    assert "it is started again" not in (tmp_path / "server.log").read_text()


def test_a_pack_whose_node_kills_the_host_again_and_again_is_left_out_until_it_changes(tmp_path: Path) -> None:
    deadly = write(tmp_path, "deadly", NODE.format(name="Deadly", body="os._exit(7)"))
    write(tmp_path, "fine", NODE.format(name="Fine", body="pass"))
    with live_server(tmp_path) as server:
        api = ComfyUIAPI(server.url)
        for attempt in range(3):
            failed = run(api, "Deadly", attempt)
            assert not failed.ok and "died each time" in str(failed["error"])
        left_out = run(api, "Deadly", 5)
        assert "deadly: it is quarantined" in str(left_out["error"])
        assert "limner packs enable deadly" in str(left_out["error"])
        assert run(api, "Fine").ok
    (deadly / "__init__.py").write_text(NODE.format(name="Deadly", body="a += 1"))
    with live_server(tmp_path) as server:
        api = ComfyUIAPI(server.url)
        until(lambda: api.object_info("Deadly"))
        assert run(api, "Deadly").ok
