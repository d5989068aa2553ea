"""What the server may know of its hosts, and ask of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from limner.app.machine import HostMachine, Hosts
from limner.engine import Engine, RunRequest, RunResult
from limner.engine.values import Failure
from limner.files import Folders, MissingFile
from limner.graph import Catalog, Link
from limner.plugins.errors import HostRefused
from limner.server.services import MachineError


class FakeHosts:
    """Answers `stats`, remembers what it was asked."""

    def __init__(self, ready: bool = True, refusal: Exception | None = None) -> None:
        self.ready, self.asked = ready, list[str]()
        self.refusal = refusal

    async def ask_all(self, topic: str) -> None:
        self.asked.append(topic)
        if self.refusal is not None:
            raise self.refusal

    async def ask(self, topic: str, data: object = None) -> object:
        self.asked.append(topic)
        return {"devices": [{"name": "cuda:0", "type": "cuda", "index": 0, "vram_total": 8}], "versions": {"a": "1"}}


class FakeEngine:
    """Remembers what it ran; every run ends with this failure."""

    def __init__(self, failure: Failure | None = None) -> None:
        self.failure, self.requests = failure, list[RunRequest]()

    async def run(self, request: RunRequest) -> RunResult:
        self.requests.append(request)
        return RunResult(request.run, "failed" if self.failure else "done", {}, self.failure, 0.0)


def machine(tmp_path: Path, hosts: FakeHosts | None = None, engine: FakeEngine | None = None) -> HostMachine:
    folders = Folders.under(tmp_path)
    folders.prepare()
    (tmp_path / "models" / "checkpoints" / "mine.safetensors").write_bytes(b"x")
    (tmp_path / "models" / "loras" / "mine.safetensors").write_bytes(b"x")
    made: Any = engine or FakeEngine()
    return HostMachine(cast(Hosts, hosts or FakeHosts()), cast(Engine, made), folders, Catalog)


async def test_devices_are_the_machines_own_until_a_host_has_said(tmp_path: Path) -> None:
    served = machine(tmp_path)
    (first,) = served.devices()
    assert (first["type"], first["torch_vram_total"]) == ("cpu", 0)
    assert first["vram_total"] >= first["vram_free"] > 0
    await asyncio.sleep(0.01)
    (known,) = served.devices()
    assert (known["name"], known["vram_total"]) == ("cuda:0", 8)
    assert served.versions() == {"a": "1"}


async def test_a_host_that_still_loads_is_not_asked(tmp_path: Path) -> None:
    hosts = FakeHosts(ready=False)
    served = machine(tmp_path, hosts)
    served.devices()
    await served.free(models=True, cache=False)
    await asyncio.sleep(0.01)
    assert hosts.asked == [] and not served.ready


async def test_a_model_is_loaded_by_its_node(tmp_path: Path) -> None:
    engine = FakeEngine()
    await machine(tmp_path, engine=engine).load_model("checkpoints", "mine.safetensors")
    (request,) = engine.requests
    (node,) = request.graph.nodes.values()
    assert (node.type, node.inputs) == ("CheckpointLoaderSimple", {"ckpt_name": "mine.safetensors"})
    assert not any(isinstance(value, Link) for value in node.inputs.values())


async def test_what_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="nothing"):
        await machine(tmp_path).load_model("checkpoints", "nothing")
    with pytest.raises(MachineError) as caught:
        await machine(tmp_path).load_model("loras", "mine.safetensors")
    assert "checkpoints" in caught.value.remedy
    engine = FakeEngine(Failure("ValueError", "it is truncated", remedy="Copy it again"))
    with pytest.raises(MachineError, match="truncated") as failed:
        await machine(tmp_path, engine=engine).load_model("checkpoints", "mine.safetensors")
    assert failed.value.remedy == "Copy it again"


async def test_what_a_host_cannot_do_is_an_error_of_the_machine(tmp_path: Path) -> None:
    refusal = HostRefused("RuntimeError", "no unload: full")
    with pytest.raises(MachineError, match="no unload") as caught:
        await machine(tmp_path, FakeHosts(refusal=refusal)).free(models=True, cache=False)
    assert caught.value.remedy
