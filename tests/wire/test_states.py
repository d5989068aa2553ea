"""The state of a job is told by one word at any time, and there is none of a job that nobody knows."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from limner.database import Database
from limner.server.states import STATES
from tests.support.in_process import Serving, chain, serving


async def state(server: Serving, run: str) -> str:
    return str((await (await server.client.get(f"/jobs/{run}")).json())["state"])


async def until(server: Serving, run: str, wanted: str) -> None:
    async with asyncio.timeout(10):
        while await state(server, run) != wanted:
            await asyncio.sleep(0.005)


async def listed(server: Serving, wanted: str) -> list[str]:
    told = await (await server.client.get("/jobs", params={"status": wanted})).json()
    return [job["id"] for job in told["jobs"]]


async def test_each_state_is_told_and_listed(tmp_path: Path) -> None:
    database = Database(tmp_path / "server.sqlite", "server")
    async with serving(tmp_path, database=database) as server:
        runs = {"done": await server.run(chain()), "failed": await server.run(chain("Fails", value=2))}
        runs["running"] = await server.queue(chain("Wait"))
        await until(server, runs["running"], "running")
        for name in ("queued", "paused", "cancelled"):
            runs[name] = await server.queue(chain(value=3))
        await server.client.post(f"/jobs/{runs['paused']}/pause")
        await server.client.post(f"/jobs/{runs['cancelled']}/cancel")
        for name, run in runs.items():
            assert await state(server, run) == name
            assert await listed(server, name) == [run]
        await database.write(lambda file: None)
        copy = tmp_path / "killed.sqlite"
        with closing(sqlite3.connect(database.path)) as file, closing(sqlite3.connect(copy)) as target:
            file.backup(target)  # what a process that dies now leaves
        await server.services.consumer.interrupt()
    database.close()
    await after(copy, tmp_path, runs)


async def after(copy: Path, base: Path, runs: dict[str, str]) -> None:
    """The next server says of the job that ran what has happened to it."""
    database = Database(copy, "server")
    await database.write(lambda file: file.execute("UPDATE counter SET paused = 1"))
    async with serving(base, database=database) as server:
        assert await state(server, runs["running"]) == "lost-and-requeued"
        assert await listed(server, "lost-and-requeued") == [runs["running"]]
        assert await listed(server, "queued") == [runs["queued"]]
        assert {await state(server, run) for run in runs.values()} == set(STATES) - {"running"}
        assert (await server.client.get("/jobs/nobody-knows")).status == 404
    database.close()
