"""`/workflows` and `/run/NAME`: workflows kept as endpoints."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from PIL import Image

from tests.support.in_process import Serving, chain, serving
from tests.support.workflows import editor_node, editor_workflow


def picture(size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 40)).save(buffer, format="PNG")
    return buffer.getvalue()


def drawing() -> dict[str, Any]:
    """Keeps a picture of one colour."""
    return {
        "1": {"class_type": "Number", "inputs": {"value": 5}},
        "9": {"class_type": "Keep", "inputs": {"value": ["1", 0], "name": "kept"}, "_meta": {"title": "My picture"}},
    }


async def keep(served: Serving, **body: Any) -> dict[str, Any]:
    answer = await served.client.post("/workflows", json={"name": "draw", "workflow": drawing(), **body})
    told = await answer.json()
    assert answer.status == 201, told
    return told


async def test_a_workflow_is_kept_with_the_inputs_and_outputs_that_are_chosen(served: Serving) -> None:
    told = await keep(served, inputs={"amount": "1.value"}, outputs={"image": "9"}, description="Draws")
    assert (told["name"], told["version"], told["url"]) == ("draw", 1, "/run/draw")
    assert told["inputs"] == [
        {
            "name": "amount",
            "node": "1",
            "input": "value",
            "kind": "integer",
            "schema": {"type": "integer", "minimum": 0, "maximum": 100, "default": 5},
        }
    ]
    assert told["outputs"] == [{"name": "image", "node": "9", "type": "Keep"}]
    whole = await (await served.client.get("/workflows/draw")).json()
    assert whole["workflow"] == drawing() == whole["prompt"]


async def test_without_a_choice_all_values_are_inputs_and_all_output_nodes_outputs(served: Serving) -> None:
    two = drawing() | {"2": {"class_type": "Number", "inputs": {"value": 7}}}
    told = await keep(served, workflow=two)
    assert [port["name"] for port in told["inputs"]] == ["value_1", "name", "value_2"]
    assert [output["name"] for output in told["outputs"]] == ["My_picture"]


async def test_each_one_kept_under_a_name_is_its_next_version(served: Serving) -> None:
    assert [(await keep(served))["version"] for _ in range(2)] == [1, 2]
    assert (await keep(served, version=7))["version"] == 7
    again = await served.client.post("/workflows", json={"name": "draw", "workflow": drawing(), "version": 7})
    assert again.status == 409
    versions = (await (await served.client.get("/workflows/draw/versions")).json())["versions"]
    assert [kept["version"] for kept in versions] == [7, 2, 1]
    assert (await (await served.client.get("/workflows/draw?version=2")).json())["version"] == 2
    assert (await (await served.client.delete("/workflows/draw/versions/7")).json()) == {"deleted": 1}
    assert (await (await served.client.get("/workflows/draw")).json())["version"] == 2
    listed = (await (await served.client.get("/workflows")).json())["workflows"]
    assert [(kept["name"], kept["version"]) for kept in listed] == [("draw", 2)]
    assert (await (await served.client.delete("/workflows/draw")).json()) == {"deleted": 2}
    assert (await served.client.get("/workflows/draw")).status == 404
    assert (await served.client.delete("/workflows/draw")).status == 404


async def test_an_editor_workflow_is_kept_as_it_is_and_runs(served: Serving) -> None:
    nodes = [
        editor_node(1, "Number", outputs=["INT"], values=[6]),
        editor_node(9, "Show", [("value", "INT", 1, "value")], values=[0, "edited"]),
    ]
    workflow = editor_workflow(nodes, [(1, 1, 0, 9, 0)])
    await keep(served, name="edited", workflow=workflow, inputs={"amount": "1.value"})
    whole = await (await served.client.get("/workflows/edited")).json()
    assert whole["workflow"] == workflow and whole["prompt"]["1"]["class_type"] == "Number"
    answer = await served.client.post("/run/edited?wait=10", json={"amount": 8})
    told = await answer.json()
    assert (answer.status, told["state"]) == (200, "done")
    assert told["outputs"]["Show"][0]["filename"] == "edited8.png"


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"name": "../x"}, "bad_request", "name"),
        ({"workflow": {"1": {"class_type": "Nowhere", "inputs": {}}}}, "missing_node_type", "Nowhere"),
        ({"workflow": {}}, "bad_request", "empty"),
        ({"workflow": {"1": {"class_type": "Number", "inputs": {"value": 1}}}}, "bad_interface", "no output"),
        ({"inputs": {"amount": "7.value"}}, "bad_interface", "node 7"),
        ({"inputs": {"amount": "1.size"}}, "bad_interface", "no input 'size'"),
        ({"inputs": {"amount": "9.value"}}, "bad_interface", "comes from another node"),
        ({"inputs": {"a b": "1.value"}}, "bad_interface", "cannot be called"),
        ({"inputs": "1.value"}, "bad_request", "inputs"),
        ({"outputs": ["1"]}, "bad_interface", "no output node"),
        ({"version": 0}, "bad_request", "version"),
        ({"versoin": 3}, "bad_request", "versoin"),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_a_remedy(
    served: Serving, more: dict[str, Any], code: str, said: str
) -> None:
    answer = await served.client.post("/workflows", json={"name": "draw", "workflow": drawing(), **more})
    error = (await answer.json())["error"]
    assert (answer.status, error["type"]) == (400, code)
    assert said in error["message"] and error["remedy"]


async def test_an_endpoint_answers_the_picture_itself(served: Serving) -> None:
    await keep(served, inputs={"amount": "1.value"}, outputs={"image": "9"})
    answer = await served.client.post("/run/draw", json={"amount": 6}, headers={"Accept": "image/png"})
    body = await answer.read()
    assert (answer.status, answer.content_type) == (200, "image/png")
    assert Image.open(io.BytesIO(body)).size == (6, 6)
    assert served.services.history.get(answer.headers["X-Job-Id"]) is not None


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/webp", "WEBP"),
        ("image/jpeg", "JPEG"),
        ("image/*", "PNG"),
        ("text/plain;q=0.1, image/*;q=0.5", "PNG"),
        ("image/png, */*", "PNG"),
    ],
)
async def test_a_picture_comes_as_the_type_that_is_asked_for(served: Serving, accept: str, kind: str) -> None:
    await keep(served)
    answer = await served.client.post("/run/draw", json={}, headers={"Accept": accept})
    body = await answer.read()
    assert answer.status == 200, body
    assert Image.open(io.BytesIO(body)).format == kind


async def test_a_type_that_the_run_does_not_make_is_told_with_those_that_it_does(served: Serving) -> None:
    await keep(served)
    answer = await served.client.post("/run/draw", json={}, headers={"Accept": "video/mp4"})
    assert answer.status == 406
    assert "image/png" in (await answer.json())["error"]["message"]


async def test_without_waiting_an_endpoint_answers_a_job(served: Serving) -> None:
    await keep(served, outputs={"image": "9"})
    answer = await served.client.post("/run/draw", json={"value": 3})
    told = await answer.json()
    assert answer.status == 202
    assert told["state"] in ("queued", "running", "done")
    assert answer.headers["Location"] == told["url"] == f"/jobs/{told['job_id']}"
    await served.ended(told["job_id"])
    assert (await (await served.client.get(told["url"])).json())["state"] == "done"


async def test_waiting_for_a_job_gives_its_outputs_by_name(served: Serving) -> None:
    await keep(served, outputs={"image": "9"})
    told = await (await served.client.post("/run/draw?wait=10", json={"value": 3})).json()
    made = told["outputs"]["image"][0]
    assert (told["state"], made["media_type"]) == ("done", "image/png")
    assert (await served.client.get(made["url"])).status == 200


async def test_options_of_the_job_stand_beside_the_inputs(served: Serving) -> None:
    await keep(served)
    body = {"inputs": {"value": 4}, "client_id": "me", "priority": 3}
    told = await (await served.client.post("/run/draw?wait=10", json=body)).json()
    entry = served.services.history.get(told["job_id"])
    assert entry is not None and entry.client == "me"
    assert entry.prompt["1"]["inputs"]["value"] == 4  # type: ignore[index]


async def test_a_file_of_a_form_is_kept_and_given_by_its_name(served: Serving) -> None:
    workflow = {"1": {"class_type": "Size", "inputs": {"image": "none.png"}}}
    workflow |= {"9": {"class_type": "Keep", "inputs": {"value": ["1", 0], "name": "kept"}}}
    told = await keep(served, name="size", workflow=workflow)
    assert told["inputs"][0]["kind"] == "file"
    form = FormData()
    form.add_field("image", picture((11, 3)), filename="sent.png", content_type="image/png")
    form.add_field("name", "made")
    answer = await served.client.post("/run/size", data=form, headers={"Accept": "image/png"})
    body = await answer.read()
    assert answer.status == 200, body
    assert Image.open(io.BytesIO(body)).size == (11, 11)
    assert (served.folders.input / "sent.png").is_file()
    inline = f"data:image/png;base64,{base64.b64encode(picture((12, 3))).decode()}"
    answer = await served.client.post("/run/size", json={"image": inline}, headers={"Accept": "image/png"})
    assert Image.open(io.BytesIO(await answer.read())).size == (12, 12)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"value": "much"}, "value is not a whole number"),
        ({"value": 101}, "value is more than 100"),
        ({"value": -1}, "value is less than 0"),
        ({"value": True}, "value is not a whole number"),
        ({"value": None}, "value is not a whole number"),
        ({"value": [1]}, "value is not a whole number"),
        ({"name": 5}, "name is not text"),
        ({"size": 5}, "no input 'size'"),
    ],
)
async def test_a_value_that_an_input_does_not_take_is_refused(served: Serving, body: Any, said: str) -> None:
    await keep(served)
    answer = await served.client.post("/run/draw", json=body)
    error = (await answer.json())["error"]
    assert (answer.status, error["type"]) == (400, "bad_input")
    assert said in error["message"] and error["remedy"]
    assert len(served.services.queue) == 0


async def test_a_run_that_fails_is_told_with_its_error(served: Serving) -> None:
    await keep(served, name="fails", workflow=chain("Fails"))
    answer = await served.client.post("/run/fails", json={}, headers={"Accept": "image/png"})
    error = (await answer.json())["error"]
    assert (answer.status, error["type"]) == (422, "run_failed")
    assert "cannot take 5" in error["message"] and error["extra_info"]["node_id"] == "2"
    told = await (await served.client.post("/run/fails?wait=10", json={})).json()
    assert (told["state"], told["error"]["node_type"]) == ("failed", "Fails")


async def test_a_job_that_is_taken_out_while_someone_waits_for_it_is_told(served: Serving) -> None:
    await keep(served)
    await served.services.queue.hold()
    import asyncio

    asking = asyncio.create_task(served.client.post("/run/draw", json={}, headers={"Accept": "image/png"}))
    async with asyncio.timeout(10):
        while not len(served.services.queue):
            await asyncio.sleep(0.005)
    await served.client.post("/queue", json={"clear": True})
    answer = await asking
    assert (answer.status, (await answer.json())["error"]["type"]) == (409, "run_cancelled")


async def test_endpoints_stand_in_the_description_with_their_own_types(served: Serving) -> None:
    await keep(served, inputs={"amount": "1.value"})
    told = await (await served.client.get("/openapi.json")).json()
    operation = told["paths"]["/run/draw"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"] == {"amount": {"type": "integer", "minimum": 0, "maximum": 100, "default": 5}}
    assert "image/*" in operation["responses"]["200"]["content"]


async def test_kept_workflows_outlive_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await keep(served)
    async with serving(tmp_path) as served:
        assert (await (await served.client.get("/workflows/draw")).json())["version"] == 1
