"""`GET /jobs/{id}/explain`."""

from __future__ import annotations

from typing import Any

from tests.support.in_process import Serving, chain


async def explained(served: Serving, prompt: dict[str, Any]) -> dict[str, Any]:
    run = (await (await served.client.post("/prompt", json={"prompt": prompt})).json())["prompt_id"]
    await served.ended(run)
    told: dict[str, Any] = await (await served.client.get(f"/jobs/{run}/explain")).json()
    return told


async def test_each_step_says_why_it_ran(served: Serving) -> None:
    first = await explained(served, chain(value=5))
    assert first["counts"] == {"ran": 2}
    again = await explained(served, chain(value=5))
    assert {step["node"]: step["cause"] for step in again["steps"]} == {"1": "memory", "9": "memory"}
    edited = await explained(served, chain(value=6))
    steps = {step["node"]: step for step in edited["steps"]}
    assert steps["1"]["text"] == "ran: input value of node 1 changed from 5 to 6"
    assert steps["9"]["where"] == "1"
    assert steps["9"]["changes"] == [{"node": "1", "input": "value", "before": "5", "after": "6"}]


async def test_a_job_that_is_not_there(served: Serving) -> None:
    answer = await served.client.get("/api/jobs/nothing/explain")
    assert answer.status == 404
    assert "There is no job nothing" in await answer.text()
