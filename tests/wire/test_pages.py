"""The editor and what else is served for it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.in_process import Serving, serving


async def test_the_official_editor_is_served_unmodified(served: Serving) -> None:
    from limner.server.frontend import FRONT_END, package_folder

    package = package_folder(FRONT_END)
    assert package is not None
    answer = await served.client.get("/")
    assert await answer.read() == (package / "static" / "index.html").read_bytes()
    script = next((package / "static" / "assets").glob("index-*.js"))
    answer = await served.client.get(f"/assets/{script.name}")
    assert answer.content_type == "text/javascript" and "immutable" in answer.headers["Cache-Control"]
    assert await answer.read() == script.read_bytes()


async def test_the_head_of_a_page_may_be_asked_for(served: Serving) -> None:
    for path in ("/", "/api/queue", "/queue"):
        answer = await served.client.head(path)
        assert (answer.status, await answer.read()) == (200, b"")


async def test_our_extension_and_its_default_workflow(served: Serving) -> None:
    paths = await (await served.client.get("/api/extensions")).json()
    assert "/extensions/limner/limner.js" in paths
    assert any(path.startswith("/extensions/core/") for path in paths)
    for path in paths:
        assert (await served.client.get(path)).status == 200
    workflow = await (await served.client.get("/extensions/limner/default.json")).json()
    loaders = [node for node in workflow["nodes"] if node["type"] == "CheckpointLoaderSimple"]
    assert [node["widgets_values"] for node in loaders] == [["limner-emoji.safetensors"]]


async def test_templates_and_node_help(served: Serving) -> None:
    index = await (await served.client.get("/templates/index.json")).json()
    names = [template["name"] for group in index for template in group["templates"]]
    assert len(names) > 100
    answer = await served.client.get(f"/templates/{names[0]}.json")
    assert answer.status == 200 and "nodes" in await answer.json()
    assert (await served.client.get(f"/templates/{names[0]}-1.webp")).content_type == "image/webp"
    assert (await served.client.get("/docs/KSampler/en.md")).status == 200
    for path in ("/templates/none.json", "/templates/%2e%2e/x", "/docs/none", "/extensions/limner/../../app.py"):
        assert (await served.client.get(path)).status == 404


async def test_another_editor_may_be_served(tmp_path: Path) -> None:
    root = tmp_path / "editor"
    root.mkdir()
    (root / "index.html").write_text("<p>mine")
    (tmp_path / "secret").write_text("secret")
    async with serving(tmp_path / "base", front_end_root=root) as other:
        assert await (await other.client.get("/")).text() == "<p>mine"
        assert (await other.client.get("/%2e%2e/secret")).status == 404


async def test_a_missing_editor_says_what_to_install(tmp_path: Path) -> None:
    async with serving(tmp_path, front_end_root=tmp_path / "nothing") as bare:
        answer = await bare.client.get("/")
        assert answer.status == 404 and "comfyui_frontend_package" in await answer.text()
        assert (await bare.client.get("/queue")).status == 200


async def test_what_packs_add(served: Serving) -> None:
    pack = served.folders.model_folder("custom_nodes").paths[0] / "my_pack"
    (pack / "example_workflows").mkdir(parents=True)
    (pack / "example_workflows" / "first.json").write_text('{"nodes": []}')
    for name, texts in (("main", {"a": {"b": 1}}), ("nodeDefs", {"N": {"display_name": "Name"}})):
        (pack / "locales" / "en").mkdir(parents=True, exist_ok=True)
        (pack / "locales" / "en" / f"{name}.json").write_text(json.dumps(texts))
    (pack / "locales" / "en" / "commands.json").write_text("{broken")
    client = served.client
    assert await (await client.get("/workflow_templates")).json() == {"my_pack": ["first"]}
    assert await (await client.get("/api/workflow_templates/my_pack/first.json")).json() == {"nodes": []}
    assert (await client.get("/workflow_templates/my_pack/none.json")).status == 404
    told = await (await client.get("/i18n")).json()
    assert told == {"en": {"a": {"b": 1}, "nodeDefs": {"N": {"display_name": "Name"}}}}


async def test_the_machine_and_its_health(served: Serving) -> None:
    client = served.client
    stats = await (await client.get("/system_stats")).json()
    assert stats["system"]["comfyui_version"] and stats["system"]["pytorch_version"] == "0"
    assert stats["system"]["ram_total"] > 0 and stats["devices"][0]["type"] == "cpu"
    assert (await (await client.get("/features")).json())["supports_preview_metadata"] is True
    assert (await client.get("/healthz")).status == (await client.get("/readyz")).status == 200
    served.machine.ready = False
    assert (await client.get("/readyz")).status == 503


async def test_what_only_the_editor_asks_for(served: Serving) -> None:
    client = served.client
    (served.folders.output / "a.png").write_bytes(b"x")
    assert await (await client.get("/internal/files/output")).json() == ["a.png"]
    assert (await client.get("/internal/files/models")).status == 400
    paths = await (await client.get("/internal/folder_paths")).json()
    assert paths["output"] == [str(served.folders.output)] and paths["checkpoints"]
    assert await (await client.get("/internal/logs")).json() == ""
    assert (await (await client.get("/internal/logs/raw")).json())["entries"] == []
    assert (await client.patch("/internal/logs/subscribe", json={"clientId": "x", "enabled": True})).status == 200
    assert (await client.patch("/internal/logs/subscribe", json={})).status == 400
    for path in ("/node_replacements", "/global_subgraphs"):
        assert await (await client.get(path)).json() == {}
    assert (await client.get("/global_subgraphs/x")).status == 404
