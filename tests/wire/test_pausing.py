"""`POST /jobs/{id}/pause` and `/resume`, and what the lists say meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.support.in_process import Serving, chain, serving


async def state(server: Serving, run: str) -> str:
    answer = await server.client.get(f"/jobs/{run}")
    return str((await answer.json())["status"])


async def until(server: Serving, run: str, wanted: str) -> None:
    async with asyncio.timeout(10):
        while await state(server, run) != wanted:
            await asyncio.sleep(0.005)


async def listed(server: Serving, query: str) -> list[Any]:
    body = await (await server.client.get(f"/jobs?{query}")).json()
    return [job["id"] for job in body["jobs"]]


async def test_a_job_is_paused_and_resumed(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        run = await server.queue(chain("Wait"))
        await until(server, run, "in_progress")
        answer = await server.client.post(f"/jobs/{run}/pause")
        assert (answer.status, (await answer.json())["status"]) == (200, "paused")
        await until(server, run, "paused")
        assert await listed(server, "status=paused") == [run]
        pending = (await (await server.client.get("/queue")).json())["queue_pending"]
        assert [job[1] for job in pending] == [run]
        assert (await server.client.post(f"/jobs/{run}/pause")).status == 200
        await server.run(chain("Number", 7))
        assert (await server.client.post(f"/jobs/{run}/resume")).status == 200
        await until(server, run, "in_progress")
        assert (await server.client.post(f"/jobs/{run}/cancel")).status == 200
        await until(server, run, "cancelled")


async def test_a_paused_job_can_be_cancelled(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        run = await server.queue(chain("Wait"))
        await until(server, run, "in_progress")
        await server.client.post(f"/jobs/{run}/pause")
        await until(server, run, "paused")
        assert (await server.client.post(f"/jobs/{run}/cancel")).status == 200
        assert await state(server, run) == "cancelled"
        assert (await server.client.post(f"/jobs/{run}/resume")).status == 409


async def test_a_resume_while_the_job_still_stops_is_not_lost(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        run = await server.queue(chain("Wait"))
        await until(server, run, "in_progress")
        for order in ("pause", "resume"):  # one right after the other
            assert (await server.client.post(f"/jobs/{run}/{order}")).status == 200
        await asyncio.sleep(0.2)
        assert await state(server, run) == "in_progress"
        await server.client.post(f"/jobs/{run}/cancel")
        await until(server, run, "cancelled")


async def test_what_cannot_be_paused_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        ended = await server.run(chain("Number"))
        for order in ("pause", "resume"):
            assert (await server.client.post(f"/jobs/none/{order}")).status == 404
            answer = await server.client.post(f"/jobs/{ended}/{order}")
            assert (answer.status, (await answer.json())["error"]["type"]) == (409, "job_has_ended")


async def test_a_priority_is_a_whole_number_and_runs_first(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        for wrong in (1.5, "high", True, 10**6):
            answer = await server.client.post("/prompt", json={"prompt": chain(), "priority": wrong})
            assert answer.status == 400, wrong
            assert "priority" in (await answer.json())["error"]["message"]
        low = await server.queue(chain("Wait"))
        await until(server, low, "in_progress")
        await server.run(chain("Number", 3), priority=5)
        await until(server, low, "in_progress")
        await server.client.post(f"/jobs/{low}/cancel")
        await until(server, low, "cancelled")
