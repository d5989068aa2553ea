"""Users see and steer their own jobs; another's are as if they were not there. An admin sees all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from limner.accounts import Accounts, Scope
from tests.support.in_process import Serving, chain, serving


@dataclass
class Shared:
    """A server with an admin, ann, and two users, bob and carl."""

    served: Serving
    tokens: dict[str, dict[str, str]]

    async def ask(self, user: str, method: str, path: str, **more: Any) -> tuple[int, Any]:
        answer = await self.served.client.request(method, path, headers=self.tokens[user], **more)
        return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def queue(self, user: str, prompt: dict[str, Any], **more: Any) -> str:
        status, told = await self.ask(user, "POST", "/prompt", json={"prompt": prompt, **more})
        assert status == 200, told
        return str(told["prompt_id"])


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Shared]:
    accounts = Accounts(tmp_path / "accounts.sqlite")
    tokens = {}
    for name, scope in (("ann", Scope.ADMIN), ("bob", Scope.RUN), ("carl", Scope.RUN)):
        accounts.add(name, None, admin=scope is Scope.ADMIN)
        tokens[name] = {"Authorization": f"Bearer {accounts.new_token(name, scope)[1]}"}
    async with serving(tmp_path, accounts, queued_per_user=3) as served:
        yield Shared(served, tokens)
    accounts.close()


async def test_history_and_jobs_are_each_ones_own(shared: Shared) -> None:
    run = await shared.queue("bob", chain(value=7))
    await shared.served.ended(run)
    for user, sees in (("bob", True), ("ann", True), ("carl", False)):
        assert (run in (await shared.ask(user, "GET", "/history"))[1]) is sees
        assert (run in (await shared.ask(user, "GET", f"/history/{run}"))[1]) is sees
        assert bool((await shared.ask(user, "GET", "/jobs"))[1]["jobs"]) is sees
        assert (await shared.ask(user, "GET", f"/jobs/{run}"))[0] == (200 if sees else 404)
        assert (await shared.ask(user, "GET", f"/jobs/{run}/explain"))[0] == (200 if sees else 404)
        assert (await shared.ask(user, "POST", f"/jobs/{run}/cancel"))[0] == (200 if sees else 404)
    for body in ({"clear": True}, {"delete": [run]}):
        await shared.ask("carl", "POST", "/history", json=body)
        assert run in (await shared.ask("bob", "GET", "/history"))[1]
    await shared.ask("bob", "POST", "/history", json={"clear": True})
    assert (await shared.ask("ann", "GET", "/history"))[1] == {}


async def test_the_queue_is_each_ones_own(shared: Shared) -> None:
    running = await shared.queue("bob", chain("Wait"))
    async with asyncio.timeout(5):
        while not shared.served.services.queue.running():
            await asyncio.sleep(0.005)
    waiting = await shared.queue("bob", chain(value=8))
    _, told = await shared.ask("carl", "GET", "/queue")
    assert told == {"queue_running": [], "queue_pending": [], "paused": False}
    assert (await shared.ask("carl", "GET", "/prompt"))[1]["exec_info"]["queue_remaining"] == 0
    for path, body in (
        ("/queue/clear", {}),
        ("/queue", {"delete": [waiting]}),
        ("/queue", {"clear": True}),
        ("/interrupt", {}),
        ("/interrupt", {"prompt_id": running}),
        ("/jobs/cancel", {"job_ids": [running, waiting]}),
    ):
        await shared.ask("carl", "POST", path, json=body)
    _, told = await shared.ask("bob", "GET", "/queue")
    assert [len(told[key]) for key in ("queue_running", "queue_pending")] == [1, 1]
    assert len((await shared.ask("ann", "GET", "/queue"))[1]["queue_pending"]) == 1
    await shared.ask("bob", "POST", "/queue/clear")
    await shared.ask("bob", "POST", "/interrupt")
    await shared.served.ended(running)


async def test_nobody_queues_in_anothers_name(shared: Shared) -> None:
    run = await shared.queue("carl", chain(value=9), extra_data={"owner": "bob", "limner_owner": "bob"}, owner="bob")
    await shared.served.ended(run)
    assert run in (await shared.ask("carl", "GET", "/history"))[1]
    assert run not in (await shared.ask("bob", "GET", "/history"))[1]


async def test_nobody_hears_of_anothers_runs(shared: Shared) -> None:
    client = shared.served.client
    async with (
        client.ws_connect("/ws", headers=shared.tokens["carl"]) as carl,
        client.ws_connect("/ws?clientId=mine", headers=shared.tokens["bob"]) as bob,
    ):
        stream = await client.get("/events?since=0", headers=shared.tokens["carl"])
        run = await shared.queue("bob", chain(value=3), client_id="mine")
        heard: list[str] = []
        async with asyncio.timeout(5):
            while "execution_success" not in heard:
                heard.append((await bob.receive_json())["type"])
        own = await shared.queue("carl", chain(value=4))
        frames: list[dict[str, Any]] = []
        async with asyncio.timeout(5):
            while not frames or frames[-1]["type"] != "execution_success":
                frames.append(await carl.receive_json())
        assert {frame["data"]["prompt_id"] for frame in frames if "prompt_id" in frame["data"]} == {own}
        assert run not in (await stream.content.readuntil(b"execution_success")).decode()
        stream.close()


async def test_nobody_takes_anothers_socket(shared: Shared) -> None:
    async with shared.served.client.ws_connect("/ws?clientId=mine", headers=shared.tokens["bob"]) as bob:
        await bob.receive_json()
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", **shared.tokens["carl"]}
        assert (await shared.served.client.get("/ws?clientId=mine", headers=upgrade)).status == 409
        assert not bob.closed


async def test_settings_and_files_are_each_ones_own(shared: Shared) -> None:
    for user in ("bob", "carl"):
        assert (await shared.ask(user, "POST", "/settings/Comfy.Name", json=user))[0] == 200
        assert (await shared.ask(user, "POST", "/userdata/workflows%2Fa.json", data=user.encode()))[0] == 200
    assert (await shared.ask("bob", "GET", "/settings/Comfy.Name"))[1] == "bob"
    for name in ("..%2Fcarl%2Fworkflows%2Fa.json", "%2E%2E%2Fcarl%2Fworkflows%2Fa.json", "..%252Fcarl%252Fa.json"):
        assert (await shared.ask("bob", "GET", f"/userdata/{name}"))[0] in (400, 404)
    answer = await shared.served.client.get("/userdata/workflows%2Fa.json", headers=shared.tokens["carl"])
    assert await answer.read() == b"carl"


async def test_jobs_that_wait_are_bounded_for_each_user(shared: Shared) -> None:
    await shared.queue("ann", chain("Wait"))
    async with asyncio.timeout(5):
        while not shared.served.services.queue.running():
            await asyncio.sleep(0.005)
    for value in range(3):
        await shared.queue("bob", chain(value=value))
    status, told = await shared.ask("bob", "POST", "/prompt", json={"prompt": chain()})
    assert status == 429 and told["error"]["type"] == "queue_full"
    await shared.queue("carl", chain())
    await shared.ask("ann", "POST", "/queue/clear")
    await shared.ask("ann", "POST", "/interrupt")


async def test_the_id_of_anothers_run_gives_no_hold_of_it(shared: Shared) -> None:
    """Whoever queues a job under the id of another's neither hears of that one, stops it, nor replaces it."""
    ended = await shared.queue("bob", chain(value=7))
    await shared.served.ended(ended)
    running = await shared.queue("bob", chain("Wait"))
    async with asyncio.timeout(5):
        while not shared.served.services.queue.running():
            await asyncio.sleep(0.005)
    for run in (ended, running):
        status, told = await shared.ask("carl", "POST", "/prompt", json={"prompt": chain(), "prompt_id": run})
        assert status == 409 and told["error"]["type"] == "duplicate_prompt_id"
        assert (await shared.ask("carl", "GET", f"/jobs/{run}"))[0] == 404
    await shared.ask("carl", "POST", "/interrupt", json={"prompt_id": running})
    assert (await shared.ask("bob", "GET", f"/jobs/{running}"))[1]["status"] == "in_progress"
    assert ended in (await shared.ask("bob", "GET", "/history"))[1]
    assert (await shared.ask("carl", "GET", f"/jobs/{running}/events"))[0] == 404
    await shared.ask("bob", "POST", "/interrupt")


async def test_nobody_but_an_admin_comes_before_others(shared: Shared) -> None:
    await shared.queue("ann", chain("Wait"))
    async with asyncio.timeout(5):
        while not shared.served.services.queue.running():
            await asyncio.sleep(0.005)
    queue = shared.served.services.queue
    bob = [await shared.queue("bob", chain(value=value)) for value in (1, 2)]
    carl = [await shared.queue("carl", chain(value=3))]
    carl.append(await shared.queue("carl", chain(value=4), front=True))
    carl.append(await shared.queue("carl", chain(value=5), number=-1000))
    assert [job.id for job in queue.waiting()] == [*bob, carl[2], carl[1], carl[0]]
    for body in ({"prompt": chain(), "priority": 1}, {"prompt": chain(), "priority": 1, "number": -5}):
        assert (await shared.ask("bob", "POST", "/prompt", json=body))[0] == 403
    assert (await shared.ask("carl", "POST", f"/jobs/{carl[0]}/priority", json={"priority": 1}))[0] == 403
    assert (await shared.ask("carl", "POST", f"/jobs/{carl[0]}/move", json={"before": bob[0]}))[0] == 404
    assert (await shared.ask("carl", "POST", f"/jobs/{bob[0]}/move", json={"after": carl[0]}))[0] == 404
    assert (await shared.ask("carl", "POST", f"/jobs/{bob[0]}/priority", json={"priority": -1}))[0] == 404
    assert (await shared.ask("carl", "POST", f"/jobs/{carl[2]}/move", json={"after": carl[1]}))[0] == 200
    assert (await shared.ask("carl", "POST", f"/jobs/{carl[0]}/priority", json={"priority": -1}))[0] == 200
    assert [job.id for job in queue.waiting()] == [*bob, carl[1], carl[2], carl[0]]
    for path in ("/queue/pause", "/queue/resume"):
        assert (await shared.ask("carl", "POST", path))[0] == 403
    assert (await shared.ask("ann", "POST", f"/jobs/{carl[0]}/move", json={"before": bob[0]}))[0] == 200
    assert queue.waiting()[0].id == carl[0]
    await shared.ask("ann", "POST", "/queue/clear")
    await shared.ask("ann", "POST", "/interrupt")
