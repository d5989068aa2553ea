"""What a person sees who opens the editor and presses Run."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from limner.media.metadata import read_embedded
from tests.browser.conftest import READY, Editor
from tests.support.live_server import LiveServer

pytestmark = pytest.mark.browser

NODES = "window.app.graph._nodes.map(node => [node.type, (node.widgets ?? []).map(widget => widget.value)])"
SET_WIDGET = """([type, name, value]) => {
  const node = window.app.graph._nodes.find(node => node.type === type);
  node.widgets.find(widget => widget.name === name).value = value;
}"""
DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type: "image/png" }));
  const canvas = document.querySelector("#graph-canvas");
  const place = { clientX: 700, clientY: 700, bubbles: true, cancelable: true, dataTransfer: carried };
  for (const kind of ["dragenter", "dragover", "drop"]) canvas.dispatchEvent(new DragEvent(kind, place));
}"""
FRAMES = """() => {
  window.seen = [];
  for (const type of ["execution_start", "progress", "progress_state", "executed", "execution_success",
                      "execution_error", "b_preview_with_metadata"]) {
    window.app.api.addEventListener(type, event => window.seen.push([type, event.detail]));
  }
}"""


async def widgets(page: Page) -> dict[str, list[Any]]:
    return dict(await page.evaluate(NODES))


async def press_run(page: Page) -> None:
    await page.get_by_test_id("queue-button").first.click()


async def seen(page: Page) -> list[tuple[str, Any]]:
    return [(kind, detail) for kind, detail in await page.evaluate("window.seen")]


async def test_the_editor_opens_on_the_default_workflow_without_a_failure(editor: Editor) -> None:
    await editor.page.wait_for_timeout(3000)
    shown = await widgets(editor.page)
    assert shown["CheckpointLoaderSimple"] == ["limner-emoji.safetensors"]
    assert shown["EmptyLatentImage"] == [128, 128, 1]
    assert shown["KSampler"][2] == 20 and shown["KSampler"][4] == "dpmpp_2m"
    assert editor.failed == []
    assert editor.errors == []
    assert editor.outside == []
    dialogs = editor.page.get_by_role("dialog")
    assert await dialogs.count() == 0, await dialogs.all_inner_texts()


async def test_pressing_run_shows_progress_preview_and_picture(
    editor: Editor, server: LiveServer, tmp_path: Path
) -> None:
    page = editor.page
    await page.evaluate(FRAMES)
    await page.evaluate(SET_WIDGET, ["KSampler", "steps", 6])
    await page.evaluate(SET_WIDGET, ["SaveImage", "filename_prefix", "browser"])
    await press_run(page)
    ended = "window.seen.some(([type]) => type === 'execution_success' || type === 'execution_error')"
    await page.wait_for_function(ended, timeout=120_000)
    told = await seen(page)
    kinds = [kind for kind, _ in told]
    assert "execution_error" not in kinds, told
    steps = [detail["value"] for kind, detail in told if kind == "progress" and detail["max"] == 6]
    assert steps and steps == sorted(steps) and steps[-1] == 6
    assert "b_preview_with_metadata" in kinds
    (executed,) = [detail for kind, detail in told if kind == "executed"]
    (picture,) = executed["output"]["images"]
    assert picture["filename"].startswith("browser_")
    shown = "window.app.graph._nodes.find(node => node.type === 'SaveImage').imgs?.[0]?.naturalWidth === 128"
    await page.wait_for_function(shown, timeout=20_000)
    assert editor.failed == [] and editor.errors == [] and editor.outside == []

    saved = server.base / "output" / picture["filename"]
    embedded = read_embedded(saved)
    assert embedded.prompt is not None and embedded.workflow is not None
    await page.evaluate(SET_WIDGET, ["KSampler", "steps", 3])
    await page.evaluate("window.app.graph.clear()")
    assert await widgets(page) == {}
    await page.evaluate(DROP, [saved.name, base64.b64encode(saved.read_bytes()).decode()])
    await page.wait_for_function(READY, timeout=20_000)
    restored = await widgets(page)
    assert restored["KSampler"][2] == 6
    assert restored["CheckpointLoaderSimple"] == ["limner-emoji.safetensors"]
    assert restored["SaveImage"] == ["browser"]


async def test_a_workflow_that_cannot_run_says_what_is_wrong(editor: Editor) -> None:
    page = editor.page
    await page.evaluate(SET_WIDGET, ["CheckpointLoaderSimple", "ckpt_name", "missing.safetensors"])
    async with page.expect_response(lambda response: response.url.endswith("/api/prompt")) as caught:
        await press_run(page)
    response = await caught.value
    assert response.status == 400
    told = json.loads(await response.text())
    (problem,) = told["node_errors"]["4"]["errors"]
    assert problem["type"] == "value_not_in_list" and problem["remedy"]
    named = "Object.keys(window.app.lastNodeErrors ?? {})"
    assert await page.evaluate(named) == ["4"]


async def test_settings_and_workflows_are_kept_by_the_server(editor: Editor, server: LiveServer) -> None:
    page = editor.page
    await page.evaluate("window.app.extensionManager.setting.set('Comfy.Validation.Workflows', true)")
    stored = await page.evaluate("window.app.api.storeUserData('workflows/kept.json', {nodes: []}).then(r => r.status)")
    assert stored == 200
    assert json.loads((server.base / "user" / "default" / "workflows" / "kept.json").read_text()) == {"nodes": []}
    await page.wait_for_function(
        "window.app.api.getSettings().then(settings => settings['Comfy.Validation.Workflows'] === true)"
    )


async def test_the_template_browser_lists_the_official_templates(editor: Editor) -> None:
    page = editor.page
    await page.evaluate("window.app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    await page.get_by_role("dialog").wait_for(timeout=20_000)
    await page.wait_for_timeout(3000)
    assert editor.failed == []
    assert editor.outside == []
