"""Workflows as Python objects: ours, and classes that a reader typed from the description of the node system."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import comfyui_api
from comfyui_api import ComfyUIError, ExecutionEngine, Node, NodeFailed, Workflow, get_node_handler

SEED = Path(__file__).parents[1] / "fixtures" / "seed"


@pytest.fixture(autouse=True)
def base_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_BASE_DIRECTORY", str(tmp_path))


def typed(name: str) -> ModuleType:
    """The reader's file, with the one import that its names ask for."""
    module = ModuleType(name)
    module.__dict__["get_node_handler"] = get_node_handler
    exec(compile((SEED / f"{name}.py").read_text("utf-8"), name, "exec"), module.__dict__)
    return module


def fill(workflow: Any, node: Callable[..., Any]) -> Any:
    """Red, inverted, and the size of it."""
    workflow.add_node(node("2", "ImageInvert", {}, ["IMAGE"]))
    workflow.add_node(node("1", "EmptyImage", {"width": 8, "height": 4, "color": 0xFF0000}, ["IMAGE"]))
    workflow.add_node(node("3", "ImageScale", {"width": 16, "height": 2, "upscale_method": "nearest-exact"}, []))
    workflow.connect("1", 0, "2", "image")
    workflow.connect("2", "IMAGE", "3", "image")
    return workflow


def check(results: dict[str, Any]) -> None:
    assert set(results) == {"1", "2", "3"}
    assert results["2"][0][0, 0, 0].tolist() == [0.0, 1.0, 1.0]
    assert tuple(results["3"][0].shape) == (1, 2, 16, 3)


def test_a_workflow_gives_what_each_node_gave() -> None:
    check(fill(Workflow(), Node).execute())


def test_an_engine_runs_a_plan_of_steps() -> None:
    engine = ExecutionEngine()
    workflow = fill(Workflow(), Node)
    plan = engine.create_execution_plan(workflow)
    assert [step["node_id"] for step in plan] == ["1", "2", "3"]
    assert plan[0]["node_type"] == "EmptyImage" and plan[0]["inputs"]["width"] == 8
    check(engine.execute_workflow(workflow))
    check(engine.results)


def test_classes_as_typed_run_with_the_missing_methods_from_ours() -> None:
    module = typed("q2_workflow")

    class Completed(module.Workflow, Workflow):  # type: ignore[name-defined, misc]
        pass

    check(fill(Completed(), module.Node).execute())


def test_an_engine_as_typed_runs_with_the_missing_methods_from_ours() -> None:
    module = typed("q3_engine")

    class Completed(module.ExecutionEngine, ExecutionEngine):  # type: ignore[name-defined, misc]
        pass

    engine = Completed()
    engine.execute_workflow(fill(Workflow(), Node))
    check(engine.results)


def test_a_workflow_becomes_a_prompt() -> None:
    prompt = fill(Workflow(), Node).to_prompt()
    assert prompt["2"] == {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}
    assert prompt["3"]["inputs"]["image"] == ["2", 0]


def test_handlers_take_a_dict_or_keywords_and_know_defaults() -> None:
    handler = get_node_handler("EmptyImage")
    (from_dict,) = handler({"width": 8, "height": 8})
    (from_keywords,) = handler(width=8, height=8, color=0)
    assert from_dict.equal(from_keywords)
    assert handler.outputs == ["IMAGE"]


async def test_handlers_work_inside_an_event_loop() -> None:
    await asyncio.sleep(0)
    assert len(get_node_handler("EmptyImage")(width=8, height=8)) == 1


def test_nodes_may_be_connected_as_objects() -> None:
    workflow = Workflow()
    source, target = Node("a", "EmptyImage", {"width": 8, "height": 8}), Node("b", "ImageInvert", ["image"])
    workflow.add_node(source)
    workflow.add_node(target)
    workflow.connect(source, "IMAGE", target, "image")
    assert workflow.execute()["b"][0].min() == 1.0


def wrong(change: Callable[[Workflow], object]) -> str:
    workflow = fill(Workflow(), Node)
    change(workflow)
    with pytest.raises(ComfyUIError) as caught:
        workflow.execute()
    return str(caught.value)


def test_what_is_wrong_is_said() -> None:
    assert "no node type 'Nothing'" in wrong(lambda w: w.add_node(Node("4", "Nothing")))
    assert "needs the input 'image'" in wrong(lambda w: w.add_node(Node("4", "ImageInvert")))
    assert "has no input 'colour'" in wrong(lambda w: w.add_node(Node("1", "EmptyImage", {"colour": 3})))
    assert "'9'" in wrong(lambda w: w.connect("9", 0, "2", "image"))
    assert "has no output 3" in wrong(lambda w: w.connect("1", 3, "2", "image"))
    assert "has no output 'MASK'" in wrong(lambda w: w.connect("1", "MASK", "2", "image"))
    assert "cycle" in wrong(lambda w: w.connect("3", 0, "1", "width"))


def test_a_failing_node_says_which_and_why() -> None:
    with pytest.raises(NodeFailed, match="ImageInvert"):
        get_node_handler("ImageInvert")(image="not a picture")


def test_validate_checks_the_type_and_the_constant_inputs() -> None:
    assert Node("1", "EmptyImage", {"width": 3}).validate()
    with pytest.raises(ComfyUIError, match="no input 'colour'"):
        Node("1", "EmptyImage", {"colour": 3}).validate()


def test_every_public_name_exists() -> None:
    for name in comfyui_api.__all__:
        assert hasattr(comfyui_api, name)
