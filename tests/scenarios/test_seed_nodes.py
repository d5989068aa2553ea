"""The seed's example nodes, as their reader would type them, in a server as a user starts it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from comfyui_api import ComfyUIAPI
from tests.support.live_server import LiveServer, live_server

SEED = Path(__file__).parents[1] / "fixtures" / "seed"
can_build = all(shutil.which(name) for name in ("g++", "ninja"))


def installed(base: Path, name: str) -> Path:
    shutil.copytree(SEED / name, base / "custom_nodes", ignore=shutil.ignore_patterns("__pycache__"))
    if not can_build:
        shutil.rmtree(base / "custom_nodes/q10_performance", ignore_errors=True)
    return base


EXAMPLE = Path(__file__).parents[2] / "examples/custom_nodes/cpp_sharpen"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(installed(tmp_path_factory.mktemp("seed"), "custom_nodes")) as running:
        yield running


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    base = installed(tmp_path_factory.mktemp("other"), "other_nodes")
    if can_build:
        shutil.copytree(EXAMPLE, base / "custom_nodes/cpp_sharpen")
    killed = base / "extensions/custom_ops/lock"  # as a build that was killed leaves it
    killed.parent.mkdir(parents=True)
    killed.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_EXTENSIONS_DIR", str(base / "extensions"))
        with live_server(base) as running:
            yield running


def told(server: LiveServer, node_type: str, inputs: Mapping[str, Any], output: int = 0) -> str:
    """What a node made of 3.0, three pictures of it (number 1) and three masks of ones (2), as text."""
    prompt = {
        "1": {"class_type": "MakeData", "inputs": {"value": 3.0}},
        "2": {"class_type": node_type, "inputs": inputs},
        "3": {"class_type": "Tell", "inputs": {"value": ["2", output]}},
    }
    result = ComfyUIAPI(server.url).execute_workflow(prompt)
    return str(result["outputs"]["3"]["text"][0]) if result["status"] == "success" else f"error: {result['error']}"


@pytest.mark.parametrize(
    ("node_type", "source", "result"),
    [
        ("MemoryOptimizedNode", 1, "(3, 4, 4, 3) 6.75"),
        ("GradientCheckpointNode", 1, "(3, 4, 4, 3) 6"),
        ("ParallelNode", 1, "(3, 4, 4, 3) 6"),
        ("ProcessParallelNode", 1, "(3, 4, 4, 3) 6"),
        ("SpawnNode", 1, "(3, 4, 4, 3) 6"),
    ],
)
def test_memory_and_parallel_nodes(server: LiveServer, node_type: str, source: int, result: str) -> None:
    assert told(server, node_type, {"images": ["1", source]}) == result


def test_a_plugin_whose_mappings_stand_in_its_nodes_file(server: LiveServer) -> None:
    assert told(server, "MyAdvancedNode", {"input_data": ["1", 0], "parameter": 2.0}) == "6.0"


def test_debugging_nodes_are_heard(server: LiveServer) -> None:
    assert told(server, "DebugNode", {"input_data": ["1", 0], "debug_mode": True}) == "3.0"
    assert told(server, "PrintNode", {"input_data": ["1", 1]}).startswith("(3, 4, 4, 3)")
    log = (server.base / "server.log").read_text("utf-8")
    assert "输入数据: 3.0" in log
    assert "数据形状: torch.Size([3, 4, 4, 3])" in log
    assert "my_plugin: custom_nodes.my_plugin.nodes uses helper_function without importing it" in log


def test_the_advanced_node(other: LiveServer) -> None:
    entry = ComfyUIAPI(other.url).object_info("MyAdvancedNode")["MyAdvancedNode"]
    assert entry["display_name"] == "高级图像处理"
    assert entry["description"] == "高级图像处理节点"
    assert list(entry["input"]["optional"]) == ["mask", "blend_factor"]
    given = {"images": ["1", 1], "strength": 2.0, "mode": "blend", "blend_factor": 0.25}
    assert told(other, "MyAdvancedNode", given) == "(3, 4, 4, 3) 2.25"
    assert told(other, "MyAdvancedNode", given, output=1) == "None"


@pytest.mark.skipif(not can_build, reason="needs g++ and ninja")
def test_performance_nodes(other: LiveServer) -> None:
    assert told(other, "BatchNode", {"images": ["1", 1]}) == "(3, 4, 4, 3) 6"
    assert told(other, "CppNode", {"images": ["1", 1]}) == "(3, 4, 4, 3) -2"
    assert "extra_cuda_flags is taken as extra_cuda_cflags" in (other.base / "server.log").read_text("utf-8")
    on_device = told(other, "CUDANode", {"images": ["1", 1]})
    assert on_device == "(3, 4, 4, 3) 3" or (on_device.startswith("error") and "CUDA" in on_device)


@pytest.mark.skipif(not can_build, reason="needs g++ and ninja")
def test_the_worked_example_in_cpp(other: LiveServer) -> None:
    assert told(other, "CppSharpen", {"image": ["1", 1], "amount": 0.5}) == "(3, 4, 4, 3) 1"
