"""`/prompt`, `/queue`, `/history`, `/jobs`, `/interrupt`, `/free`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from limner.runs import consumer
from tests.support.in_process import Serving, chain
from tests.support.workflows import editor_node, editor_workflow


async def test_a_prompt_is_queued_runs_and_is_in_the_history(served: Serving) -> None:
    answer = await served.client.post("/prompt", json={"prompt": chain(), "client_id": "me"})
    body = await answer.json()
    assert answer.status == 200
    assert set(body) == {"prompt_id", "number", "node_errors"}
    assert body["node_errors"] == {}
    await served.ended(body["prompt_id"])
    for path in (f"/history/{body['prompt_id']}", "/api/history", "/history?max_items=1"):
        entry = (await (await served.client.get(path)).json())[body["prompt_id"]]
        number, run, prompt, extra, targets = entry["prompt"]
        assert (number, run, prompt, targets) == (body["number"], body["prompt_id"], chain(), ["9"])
        assert extra["client_id"] == "me"
        assert entry["outputs"] == {"9": {"images": [{"filename": "x5.png", "subfolder": "", "type": "output"}]}}
        assert entry["status"]["status_str"] == "success" and entry["status"]["completed"] is True
        assert [kind for kind, _ in entry["status"]["messages"]] == [
            "execution_start",
            "execution_cached",
            "execution_success",
        ]
        assert entry["meta"]["9"]["real_node_id"] == "9"


async def test_an_editor_workflow_is_queued_as_well(served: Serving) -> None:
    nodes = [
        editor_node(1, "Number", outputs=["INT"], values=[6]),
        editor_node(9, "Show", [("value", "INT", 1, "value")], values=[0, "edited"]),
    ]
    run = await served.run(editor_workflow(nodes, [(1, 1, 0, 9, 0)]))
    entry = served.services.history.get(run)
    assert entry is not None
    assert entry.extra["extra_pnginfo"]["workflow"]["nodes"][0]["type"] == "Number"
    assert entry.outputs["9"]["images"] == [{"filename": "edited6.png", "subfolder": "", "type": "output"}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "no_prompt"),
        ({"prompt": []}, "invalid_prompt"),
        ({"prompt": {"1": {}}}, "invalid_prompt"),
        ({"prompt": {"1": "x"}}, "invalid_prompt"),
        ({"prompt": {"1": {"class_type": "Number", "inputs": []}}}, "invalid_prompt"),
        ({"prompt": {}}, "prompt_no_outputs"),
        ({"prompt": {"1": {"class_type": "Nowhere", "inputs": {}}}}, "missing_node_type"),
        ({"prompt": {"1": {"class_type": "Number", "inputs": {"value": 1}}}}, "prompt_no_outputs"),
        ({"prompt": chain(), "number": "soon"}, "bad_request"),
        ({"prompt": chain(), "prompt_id": 5}, "bad_request"),
        ({"prompt": chain(), "extra_data": []}, "bad_request"),
        ({"prompt": chain(), "partial_execution_targets": "9"}, "bad_request"),
    ],
)
async def test_what_cannot_be_queued_is_refused_with_a_remedy(served: Serving, body: Any, code: str) -> None:
    answer = await served.client.post("/prompt", json=body)
    told = await answer.json()
    assert answer.status == 400
    assert told["error"]["type"] == code
    assert told["error"]["message"] and told["error"]["remedy"]
    assert "Traceback" not in json.dumps(told)


async def test_every_problem_of_every_node_is_told(served: Serving) -> None:
    prompt = chain("Slow", value=101)
    prompt["2"]["inputs"] = {"value": ["7", 0]}
    answer = await served.client.post("/prompt", json={"prompt": prompt})
    told = await answer.json()
    assert answer.status == 400
    assert told["error"]["type"] == "prompt_outputs_failed_validation"
    (slow,) = (told["node_errors"][name] for name in ("2",))
    assert slow["class_type"] == "Slow" and slow["dependent_outputs"] == ["9"]
    assert {problem["type"] for problem in slow["errors"]} >= {"bad_linked_input"}
    for problem in slow["errors"]:
        assert set(problem) >= {"type", "message", "details", "extra_info"}


async def test_problems_are_told_beside_a_missing_node_type(served: Serving) -> None:
    prompt = chain() | {"2": {"class_type": "Nowhere", "inputs": {}}}
    prompt["9"]["inputs"]["value"] = ["77", 0]
    told = await (await served.client.post("/prompt", json={"prompt": prompt})).json()
    assert told["error"]["type"] == "missing_node_type"
    found = {node: [problem["type"] for problem in entry["errors"]] for node, entry in told["node_errors"].items()}
    assert found == {"2": ["missing_node_type"], "9": ["bad_linked_input"]}


async def test_valid_outputs_run_though_others_are_not(served: Serving) -> None:
    prompt = chain() | {"10": {"class_type": "Show", "inputs": {"value": ["77", 0]}}}
    answer = await served.client.post("/prompt", json={"prompt": prompt})
    told = await answer.json()
    assert answer.status == 200
    assert list(told["node_errors"]) == ["10"]
    await served.ended(told["prompt_id"])


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"nonsense", b'"text"', b"[" * 100_000, b"\xff\xfe"])
async def test_a_body_that_is_no_object_is_a_json_error(served: Serving, body: bytes) -> None:
    answer = await served.client.post("/prompt", data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert (await answer.json())["error"]["remedy"]


async def test_a_prompt_of_ten_thousand_nodes_is_queued(served: Serving) -> None:
    prompt: dict[str, Any] = {"0": {"class_type": "Number", "inputs": {"value": 1}}}
    for index in range(1, 10_000):
        prompt[str(index)] = {"class_type": "Number", "inputs": {"value": [str(index - 1), 0]}}
    prompt["end"] = {"class_type": "Show", "inputs": {"value": ["9999", 0], "name": "x"}}
    run = await served.queue(prompt)
    await served.services.consumer.interrupt(run)


async def test_an_id_is_taken_once(served: Serving) -> None:
    run = await served.run(chain(), prompt_id="mine")
    assert run == "mine"
    answer = await served.client.post("/prompt", json={"prompt": chain(), "prompt_id": "mine"})
    assert answer.status == 409


async def test_the_queue_is_listed_cleared_and_taken_from(served: Serving) -> None:
    running = await served.queue(chain("Wait"))
    async with asyncio.timeout(5):
        while not served.services.queue.running():
            await asyncio.sleep(0.005)
    waiting = [await served.queue(chain(value=value)) for value in range(3)]
    first = await served.queue(chain(value=50), front=True)
    listed = await (await served.client.get("/api/queue")).json()
    assert [job[1] for job in listed["queue_running"]] == [running]
    assert [job[1] for job in listed["queue_pending"]] == [first, *waiting]
    assert listed["queue_running"][0][2] == chain("Wait")
    assert (await (await served.client.get("/prompt")).json())["exec_info"]["queue_remaining"] == 5
    jobs = await (await served.client.get("/jobs?status=in_progress,pending")).json()
    assert [job["status"] for job in jobs["jobs"]] == ["in_progress"] + ["pending"] * 4
    jobs = await (await served.client.get("/jobs?limit=2&offset=1")).json()
    assert [job["id"] for job in jobs["jobs"]] == [first, waiting[0]] and jobs["pagination"]["total"] == 5
    told = await (await served.client.post("/queue", json={"delete": [waiting[0]]})).json()
    assert told["deleted"] == [waiting[0]]
    told = await (await served.client.post("/queue/clear")).json()
    assert set(told["deleted"]) == {first, *waiting[1:]}
    assert (await served.client.post("/interrupt", json={"prompt_id": "another"})).status == 200
    assert served.services.queue.running()
    assert (await served.client.post("/interrupt")).status == 200
    await served.ended(running)
    entry = (await (await served.client.get(f"/history/{running}")).json())[running]
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


async def test_a_prompt_may_come_by_the_queue(served: Serving) -> None:
    answer = await served.client.post("/queue", json={"prompt": chain()})
    told = await answer.json()
    assert answer.status == 200
    await served.ended(told["prompt_id"])
    assert (await served.client.post("/queue", json={})).status == 400
    assert (await served.client.post("/queue", json={"delete": "x"})).status == 400


async def test_a_failed_run_says_where_and_why(served: Serving) -> None:
    run = await served.run(chain("Fails"))
    entry = (await (await served.client.get(f"/history/{run}")).json())[run]
    kind, data = entry["status"]["messages"][-1]
    assert kind == "execution_error"
    assert (data["node_id"], data["node_type"]) == ("2", "Fails")
    assert "cannot take 5" in data["exception_message"]
    assert data["exception_type"] == "ValueError"
    job = await (await served.client.get(f"/jobs/{run}")).json()
    assert job["status"] == "failed"
    assert job["execution_error"]["node_id"] == "2"


async def test_jobs_are_listed_with_paging_and_explicit_states(served: Serving) -> None:
    done = [await served.run(chain(value=value)) for value in range(3)]
    failed = await served.run(chain("Fails"))
    told = await (await served.client.get("/api/jobs?limit=2&offset=1")).json()
    assert [job["id"] for job in told["jobs"]] == [done[2], done[1]]
    assert told["pagination"] == {"offset": 1, "limit": 2, "total": 4, "has_more": True}
    everything = [failed, *reversed(done)]
    for offset in range(6):
        told = await (
            await served.client.get(f"/jobs?limit=2&offset={offset}&status=completed,failed,cancelled")
        ).json()
        assert [job["id"] for job in told["jobs"]] == everything[offset : offset + 2]
        assert told["pagination"]["has_more"] == (offset < 2) and told["pagination"]["total"] == 4
    told = await (await served.client.get("/jobs?status=completed&sort_by=created_at&sort_order=asc")).json()
    assert [job["id"] for job in told["jobs"]] == done
    assert told["jobs"][0]["preview_output"]["filename"] == "x0.png"
    assert told["jobs"][0]["outputs_count"] == 1
    detail = await (await served.client.get(f"/jobs/{done[0]}")).json()
    assert detail["workflow"]["prompt"] == chain(value=0)
    assert detail["outputs"]["9"]["images"]
    assert (await (await served.client.get(f"/jobs/{failed}")).json())["status"] == "failed"


@pytest.mark.parametrize(
    "query", ["status=great", "limit=none", "limit=0", "offset=-1", "sort_by=colour", "sort_order=up"]
)
async def test_a_bad_query_of_jobs_is_refused(served: Serving, query: str) -> None:
    assert (await served.client.get(f"/jobs?{query}")).status == 400


async def test_unknown_ids_are_told_as_such(served: Serving) -> None:
    assert (await served.client.get("/jobs/nothing")).status == 404
    assert (await served.client.post("/jobs/nothing/cancel")).status == 404
    answer = await served.client.get("/history/nothing")
    assert (answer.status, (await answer.json())["error"]["type"]) == (404, "not_found")
    await served.services.queue.hold()
    answer = await served.client.get(f"/history/{await served.queue(chain())}")
    assert (answer.status, await answer.json()) == (200, {})  # while it waits or runs
    told = await (await served.client.post("/queue", json={"delete": ["nothing"]})).json()
    assert told["deleted"] == []


async def test_jobs_are_cancelled_whether_they_wait_or_run(served: Serving) -> None:
    running = await served.queue(chain("Wait"))
    waiting = await served.queue(chain())
    async with asyncio.timeout(5):
        while not served.services.queue.running():
            await asyncio.sleep(0.005)
    told = await (await served.client.post("/jobs/cancel", json={"job_ids": [running, waiting, "nothing"]})).json()
    assert set(told["cancelled"]) == {running, waiting}
    await served.ended(running)
    assert (await (await served.client.get(f"/jobs/{running}")).json())["status"] == "cancelled"
    assert (await served.client.post(f"/jobs/{running}/cancel")).status == 200
    told = await (await served.client.get(f"/jobs/{waiting}")).json()
    assert (told["state"], told["outputs"]) == ("cancelled", {})
    assert (await served.client.post(f"/jobs/{waiting}/cancel")).status == 200
    listed = await (await served.client.get("/jobs?status=cancelled")).json()
    assert {job["id"] for job in listed["jobs"]} == {running, waiting}


async def test_of_thousands_that_are_cancelled_at_once_the_first_are_remembered(
    served: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "MOST_NOTED", 2)
    await served.services.queue.hold()
    jobs = [await served.queue(chain(value=value)) for value in range(4)]
    told = await (await served.client.post("/jobs/cancel", json={"job_ids": jobs})).json()
    assert told["cancelled"] == jobs
    assert [(await served.client.get(f"/jobs/{job}")).status for job in jobs] == [200, 200, 404, 404]
    assert await (await served.client.get("/prompt")).json() == {"exec_info": {"queue_remaining": 0}}


async def test_the_history_is_cleared_and_deleted_from(served: Serving) -> None:
    runs = [await served.run(chain(value=value)) for value in range(3)]
    assert (await served.client.post("/history", json={"delete": [runs[0]]})).status == 200
    assert list(await (await served.client.get("/history")).json()) == runs[1:]
    assert list(await (await served.client.get("/history?max_items=1&offset=0")).json()) == [runs[1]]
    assert (await served.client.post("/history", json={"clear": True})).status == 200
    assert await (await served.client.get("/history")).json() == {}
    assert (await served.client.get("/history?max_items=many")).status == 400


async def test_secrets_of_a_job_are_in_no_list(served: Serving) -> None:
    extra = {
        "auth_token_comfy_org": "secret-1",
        "api_key_comfy_org": "secret-2",
        "extra_pnginfo": {"workflow": {"id": "w"}},
    }
    running = await served.queue(chain("Wait"), extra_data=extra)
    async with asyncio.timeout(5):
        while not served.services.queue.running():
            await asyncio.sleep(0.005)
    pages = ["/queue", "/jobs", f"/jobs/{running}"]
    texts = [await (await served.client.get(page)).text() for page in pages]
    await served.client.post("/interrupt")
    await served.ended(running)
    texts += [await (await served.client.get(page)).text() for page in ("/history", f"/jobs/{running}")]
    assert not any("secret-" in text for text in texts)
    assert (await (await served.client.get(f"/jobs/{running}")).json())["workflow_id"] == "w"


async def test_memory_is_freed_as_asked(served: Serving) -> None:
    await served.client.post("/free", json={"unload_models": True, "free_memory": True})
    await served.client.post("/free", json={"unload_models": True})
    assert served.machine.freed == [{"models": True, "cache": True}, {"models": True, "cache": False}]
