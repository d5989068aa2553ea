"""`/batches`: one job for each combination of values."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from limner.accounts import Accounts, Scope
from limner.server.routes import batches
from limner.workflows import BatchJob, combinations, count
from limner.workflows.batches import Batch
from tests.support.in_process import Serving, chain, serving


async def post(served: Serving, **body: Any) -> dict[str, Any]:
    answer = await served.client.post("/batches", json=body)
    told = await answer.json()
    assert answer.status == 202, told
    assert answer.headers["Location"] == f"/batches/{told['id']}"
    return told


async def over(served: Serving, batch: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            told = await (await served.client.get(f"/batches/{batch}")).json()
            if told["progress"] == 1:
                return told
            await asyncio.sleep(0.01)


async def results(served: Serving, batch: str, query: str = "") -> dict[str, Any]:
    return await (await served.client.get(f"/batches/{batch}/results{query}")).json()


def test_combinations_are_rows_times_the_grid_with_its_last_name_fastest() -> None:
    grid, rows = {"a": [1, 2], "b": ["x", "y"]}, [{"c": 0}, {"c": 1}]
    assert count(grid, rows) == 8
    assert list(combinations(grid, []))[:3] == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}]
    assert [(one["c"], one["a"], one["b"]) for one in combinations(grid, rows)][3:5] == [(0, 2, "y"), (1, 1, "x")]
    assert count({}, []) == 0 and count({"a": []}, []) == 0


async def test_a_grid_over_a_prompt_is_a_job_for_each_combination(served: Serving) -> None:
    told = await post(served, prompt=chain(), grid={"1.value": [1, 2, 3], "9.name": ["p", "q"]}, title="Six")
    assert (told["total"], told["title"]) == (6, "Six")
    told = await over(served, told["id"])
    assert (told["state"], told["counts"]["done"], told["progress"]) == ("done", 6, 1.0)
    page = await results(served, told["id"])
    assert page["pagination"] == {"offset": 0, "limit": 100, "total": 6, "has_more": False}
    made = [(one["inputs"], one["outputs"]["9"][0]["filename"]) for one in page["results"]]
    assert made[0] == ({"1.value": 1, "9.name": "p"}, "p1.png")
    assert made[-1] == ({"1.value": 3, "9.name": "q"}, "q3.png")
    assert [one["index"] for one in page["results"]] == list(range(6))
    second = await results(served, told["id"], "?limit=2&offset=2")
    assert [one["index"] for one in second["results"]] == [2, 3] and second["pagination"]["has_more"]


async def test_a_kept_workflow_is_run_by_its_inputs_names(served: Serving) -> None:
    kept = {"name": "draw", "workflow": chain(), "inputs": {"amount": "1.value", "name": "9.name"}}
    assert (await served.client.post("/workflows", json=kept)).status == 201
    told = await post(served, workflow="draw", inputs={"name": "z"}, rows=[{"amount": 4}, {"amount": 5, "name": "y"}])
    assert (told["workflow"], told["version"], told["total"]) == ("draw", 1, 2)
    await over(served, told["id"])
    page = await results(served, told["id"])
    assert [one["outputs"]["The_end"][0]["filename"] for one in page["results"]] == ["z4.png", "y5.png"]


async def test_a_batch_with_jobs_that_fail_is_failed_and_tells_their_errors(served: Serving) -> None:
    told = await post(served, prompt=chain("Fails"), grid={"1.value": [1, 2]})
    told = await over(served, told["id"])
    assert (told["state"], told["counts"]["failed"]) == ("failed", 2)
    page = await results(served, told["id"])
    assert "cannot take 2" in page["results"][1]["error"]["exception_message"]


async def test_a_batch_that_is_cancelled_leaves_nothing_in_the_queue(served: Serving) -> None:
    told = await post(served, prompt=chain("Wait"), grid={"1.value": [1, 2, 3]})
    async with asyncio.timeout(10):
        while not served.services.consumer.running:
            await asyncio.sleep(0.005)
    answer = await served.client.post(f"/batches/{told['id']}/cancel")
    assert len((await answer.json())["cancelled"]) == 3
    told = await over(served, told["id"])
    assert (told["state"], told["counts"]["cancelled"]) == ("cancelled", 3)
    assert (await served.client.delete(f"/batches/{told['id']}")).status == 200
    assert (await served.client.get(f"/batches/{told['id']}")).status == 404
    assert (await (await served.client.get("/batches")).json())["batches"] == []


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({}, "bad_request", "0 jobs"),
        ({"grid": {"1.value": [1]}}, "bad_request", "either a workflow or a prompt"),
        ({"prompt": chain(), "workflow": "x", "grid": {"1.value": [1]}}, "bad_request", "either"),
        ({"prompt": chain(), "grid": {"1.value": []}}, "bad_request", "0 jobs"),
        ({"prompt": chain(), "grid": {"1.value": list(range(101)), "9.name": ["x"] * 100}}, "bad_request", "10100"),
        ({"prompt": chain(), "grid": {"7.value": [1]}}, "bad_interface", "names no node"),
        ({"prompt": chain(), "grid": {"value": [1]}}, "bad_interface", "names no node"),
        ({"prompt": chain(), "grid": 5}, "bad_request", "grid"),
        ({"prompt": chain(), "rows": [5]}, "bad_request", "rows"),
    ],
)
async def test_what_cannot_be_a_batch_is_refused_with_a_remedy(
    served: Serving, body: dict[str, Any], code: str, said: str
) -> None:
    answer = await served.client.post("/batches", json=body)
    error = (await answer.json())["error"]
    assert (answer.status, error["type"]) == (400, code)
    assert said in error["message"] and error["remedy"]


async def test_one_combination_that_may_not_run_refuses_all_and_is_named(served: Serving) -> None:
    answer = await served.client.post("/batches", json={"prompt": chain(), "grid": {"1.value": [1, 500]}})
    told = await answer.json()
    assert answer.status == 400
    assert told["error"]["extra_info"]["batch_index"] == 1 and "1" in told["node_errors"]
    assert len(served.services.queue) == 0
    assert (await (await served.client.get("/batches")).json())["pagination"]["total"] == 0


async def test_an_unknown_batch_or_workflow_is_404(served: Serving) -> None:
    for path in ("/batches/none", "/batches/none/results"):
        assert (await served.client.get(path)).status == 404
    answer = await served.client.post("/batches", json={"workflow": "none", "grid": {"a": [1]}})
    assert answer.status == 404


async def test_how_jobs_ended_is_remembered_when_the_history_is_cleared(served: Serving) -> None:
    told = await post(served, prompt=chain(), grid={"1.value": [1, 2]})
    await over(served, told["id"])
    await served.services.history.clear()
    async with asyncio.timeout(20):
        while (await over(served, told["id"]))["counts"].get("done") != 2:
            await asyncio.sleep(0.01)  # it is written in the background


async def test_a_job_that_cannot_be_found_is_not_remembered_as_cancelled(
    served: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await post(served, prompt=chain(), grid={"1.value": [1]})
    with monkeypatch.context() as patched:
        patched.setattr(batches, "state_of", lambda served, job: None)
        assert (await over(served, told["id"]))["counts"]["cancelled"] == 1
    async with asyncio.timeout(20):
        while (await over(served, told["id"]))["counts"].get("done") != 1:
            await asyncio.sleep(0.01)


async def test_a_batch_outlives_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        told = await post(served, prompt=chain(), grid={"1.value": [1, 2]})
        await over(served, told["id"])
    async with serving(tmp_path) as served:
        assert (await (await served.client.get(f"/batches/{told['id']}")).json())["counts"]["done"] == 2


async def test_a_batch_that_was_never_answered_is_taken_out_at_the_next_start(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        from limner.server.endpoints import LIBRARY

        await served.services.queue.hold()
        run = await served.queue(chain())
        app = served.client.server.app  # type: ignore[attr-defined]
        await app[LIBRARY].batches.begin(Batch("half", "", 0.0), [BatchJob(0, run, {}), BatchJob(1, "never", {})])
        from limner.server.app import _drop_unfinished_batches

        await _drop_unfinished_batches(app)
        assert served.services.queue.place(run) is None
        assert app[LIBRARY].batches.unfinished() == []


async def test_a_users_batches_and_workflows_are_nobody_elses(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.sqlite")
    tokens = {}
    for name in ("ann", "bob"):
        accounts.add(name, None)
        tokens[name] = {"Authorization": f"Bearer {accounts.new_token(name, Scope.RUN)[1]}"}
    async with serving(tmp_path, accounts, queued_per_user=3) as served:
        client, ann, bob = served.client, tokens["ann"], tokens["bob"]
        answer = await client.post("/batches", json={"prompt": chain(), "grid": {"1.value": [1]}}, headers=ann)
        batch = (await answer.json())["id"]
        assert (await client.get(f"/batches/{batch}", headers=ann)).status == 200
        assert (await client.get(f"/batches/{batch}", headers=bob)).status == 404
        assert (await client.delete(f"/batches/{batch}", headers=bob)).status == 404
        for name, shared in (("own", False), ("all", True)):
            kept = {"name": name, "workflow": chain(), "shared": shared}
            assert (await client.post("/workflows", json=kept, headers=ann)).status == 201
        assert (await client.get("/workflows/own", headers=bob)).status == 404
        assert (await client.post("/run/own", json={}, headers=bob)).status == 404
        assert (await client.post("/run/all", json={}, headers=bob)).status == 202
        assert (await client.delete("/workflows/all", headers=bob)).status == 404
        await served.services.queue.hold()
        many = {"prompt": chain(), "grid": {"1.value": [1, 2, 3, 4]}}
        answer = await client.post("/batches", json=many, headers=ann)
        assert (answer.status, (await answer.json())["error"]["type"]) == (429, "queue_full")
        assert len(served.services.queue) == 0  # none of them stays
    accounts.close()
