"""What an author of nodes sees in the editor: inputs that grow and unfold, and new nodes when a file is saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.browser.conftest import Editor
from tests.support.live_server import LiveServer, live_server

pytestmark = pytest.mark.browser

PACK = """
from dataclasses import dataclass
from typing import Annotated, Literal
from limner.sdk import Image, Int, Result, node

@dataclass
class Fit:
    width: Annotated[int, Int(min=64, max=4096, step=8)] = 512

@dataclass
class Crop:
    side: int = 3
    mode: Literal["a", "b"] = "b"
    like: Image | None = None

@node(output_node=True)
def soft_show(how: Fit | Crop = Fit(256), **numbers: int) -> Result:
    return Result(ui={"text": [f"{how} {numbers}"]})

@node
def soft_number(value: int = -3) -> int:
    return value
"""
BUILD = """async () => {
  const graph = window.app.graph, pause = () => new Promise(resolve => setTimeout(resolve, 300));
  graph.clear();
  const [number, show] = ["SoftNumber", "SoftShow"].map(type => window.LiteGraph.createNode(type));
  for (const node of [number, show]) graph.add(node);
  for (const name of ["numbers.number0", "numbers.number1"]) {
    number.connect(0, show, show.inputs.findIndex(input => input.name === name));
    await pause();
  }
  show.widgets.find(widget => widget.name === "how").value = "Crop";
  await pause();
  return [show.inputs.map(input => input.name), (await window.app.graphToPrompt()).output];
}"""
WIDGETS = "type => window.LiteGraph.createNode(type).widgets.map(widget => widget.name)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    base = tmp_path_factory.mktemp("authoring")
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / "soft.py").write_text(PACK)
    with live_server(base, "--reload") as running:
        yield running


async def test_dynamic_inputs_and_a_file_that_is_saved(editor: Editor, server: LiveServer) -> None:
    page = editor.page
    names, prompt = await page.evaluate(BUILD)
    assert {"numbers.number2", "how.side", "how.mode", "how.like"} <= set(names)
    show = next(node for node in prompt.values() if node["class_type"] == "SoftShow")
    assert {name: show["inputs"][name] for name in ("how", "how.side", "how.mode")} == {
        "how": "Crop",
        "how.side": 3,
        "how.mode": "b",
    }
    await page.evaluate("window.app.queuePrompt(0)")
    await page.wait_for_function("fetch('/history').then(a => a.json()).then(h => Object.keys(h).length)")
    with urlopen(f"{server.url}/history") as answer:
        (entry,) = json.load(answer).values()
    (shown,) = entry["outputs"].values()
    assert shown["text"] == ["Crop(side=3, mode='b', like=None) {'number0': -3, 'number1': -3}"]

    file = Path(server.base) / "custom_nodes" / "soft.py"
    assert await page.evaluate(WIDGETS, "SoftNumber") == ["value"]
    file.write_text(PACK.replace("value: int = -3", "value: int = -3, more: str = 'x'"))
    await page.get_by_text("soft is loaded anew").first.wait_for(timeout=20_000)
    await page.wait_for_function(f"({WIDGETS})('SoftNumber').length === 2")
    file.write_text("import no_such_module")
    await page.get_by_text("soft has an error").first.wait_for(timeout=20_000)
    await page.get_by_text("No module named 'no_such_module'").first.wait_for()
    assert editor.errors == []
