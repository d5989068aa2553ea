"""A job's own stream of events, and its webhook."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ThreadedResolver, web
from aiohttp.test_utils import TestServer

from limner.accounts import Accounts, Scope
from limner.server import webhooks
from limner.server.answers import ApiError
from limner.server.signing import server_key
from tests.support.in_process import Serving, chain, serving


class Listener:
    """An address that webhooks are sent to; `refusals` are answered with an error first."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.requests: list[tuple[Mapping[str, str], bytes]] = []
        """Headers and bodies of all requests, those that are refused among them."""
        self.refusals = 0
        self.more = asyncio.Event()
        self.server: TestServer

    async def take(self, request: web.Request) -> web.Response:
        self.requests.append((request.headers, await request.read()))
        if self.refusals:
            self.refusals -= 1
            raise web.HTTPInternalServerError
        self.bodies.append(await request.json())
        self.more.set()
        return web.Response()

    @property
    def url(self) -> str:
        return str(self.server.make_url("/hook"))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in body["events"]]

    async def until(self, kind: str) -> None:
        async with asyncio.timeout(10):
            while kind not in [event["type"] for event in self.events]:
                self.more.clear()
                await self.more.wait()


@pytest.fixture
async def listener(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    monkeypatch.setattr(webhooks, "FIRST_PAUSE", 0.01)
    made = Listener()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    async with TestServer(app) as made.server:
        yield made


async def stream(served: Serving, path: str) -> list[dict[str, Any]]:
    """The events of a stream that ends by itself, each with its id."""
    async with asyncio.timeout(10):
        text = await (await served.client.get(path)).text()
    parts = [part.splitlines() for part in text.split("\n\n") if part.startswith("id: ")]
    return [
        {"id": int(lines[0].removeprefix("id: ")), **json.loads(lines[2].removeprefix("data: "))} for lines in parts
    ]


async def test_a_job_s_events_are_streamed_to_its_end(served: Serving) -> None:
    run = await served.queue(chain("Slow", value=3))
    live = await stream(served, f"/jobs/{run}/events")
    again = await stream(served, f"/api/jobs/{run}/events")
    assert {event["data"]["prompt_id"] for event in again} == {run}
    kinds = [event["type"] for event in again]
    assert kinds[0] == "execution_start"
    assert "execution_success" in kinds
    assert [event["id"] for event in again] == sorted(event["id"] for event in again)
    assert live[-1] == again[-1]
    middle = again[len(again) // 2]["id"]
    rest = await stream(served, f"/jobs/{run}/events?since={middle}")
    assert [event["id"] for event in rest] == [event["id"] for event in again if event["id"] > middle]


@pytest.mark.parametrize(
    ("path", "body"), [("/jobs/cancel", "job_ids"), ("/queue", "delete"), ("/queue/clear", ""), ("/queue", "clear")]
)
async def test_whoever_follows_a_job_hears_that_it_was_taken_out(
    served: Serving, listener: Listener, path: str, body: str
) -> None:
    """Its client, an editor, does not: it would take it for the end of the job that it shows."""
    await served.services.queue.hold()
    async with served.client.ws_connect("/ws?clientId=me") as socket:
        run = await served.queue(chain(value=3), webhook=listener.url, client_id="me")
        answer = await served.client.get(f"/jobs/{run}/events")
        told = {body: True if body == "clear" else [run]} if body else {}
        assert (await served.client.post(path, json=told)).status == 200
        async with asyncio.timeout(10):
            assert "event: execution_interrupted" in await answer.text()
        await listener.until("execution_interrupted")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                while (await socket.receive_json())["type"] == "status":
                    pass


async def test_there_are_no_events_of_an_unknown_job(served: Serving) -> None:
    assert (await served.client.get("/jobs/nothing/events")).status == 404


async def test_a_webhook_hears_how_its_job_went(served: Serving, listener: Listener) -> None:
    run = await served.queue(chain(value=4), webhook=listener.url)
    await served.queue(chain(value=5))
    await listener.until("execution_success")
    assert {body["job_id"] for body in listener.bodies} == {run}
    assert [event["type"] for event in listener.events] == ["execution_start", "executed", "execution_success"]
    numbers = [event["sequence"] for event in listener.events]
    assert numbers == sorted(numbers)


async def test_a_webhook_names_what_it_wants_to_hear(served: Serving, listener: Listener) -> None:
    await served.queue(chain(value=6), webhook={"url": listener.url, "events": ["executing", "execution_success"]})
    await listener.until("execution_success")
    assert {event["type"] for event in listener.events} == {"executing", "execution_success"}


async def test_a_webhook_that_refuses_is_asked_again(served: Serving, listener: Listener) -> None:
    listener.refusals = 3
    await served.queue(chain("Fails", value=4), webhook=listener.url)
    await listener.until("execution_error")
    assert listener.refusals == 0
    assert "cannot take 4" in json.dumps(listener.events)


def accepts(headers: Mapping[str, str], body: bytes, key: bytes) -> bool:
    """As a receiver checks a request, by the Standard Webhooks specification."""
    message, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    digest = hmac.new(key, f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
    fresh = abs(time.time() - int(stamp)) < 60
    return fresh and f"v1,{base64.b64encode(digest).decode()}" in headers["webhook-signature"].split()


async def test_requests_are_signed_with_the_jobs_secret_or_the_servers_key(served: Serving, listener: Listener) -> None:
    secret = b"a secret of thirty-two bytes...."
    given = {"url": listener.url, "secret": f"whsec_{base64.b64encode(secret).decode()}"}
    listener.refusals = 1
    await served.queue(chain(value=7), webhook=given)
    await listener.until("execution_success")
    assert all(accepts(headers, body, secret) for headers, body in listener.requests)
    assert listener.requests[0][0]["webhook-id"] == listener.requests[1][0]["webhook-id"], "asked again by the same id"
    listener.requests.clear()
    listener.bodies.clear()
    await served.queue(chain(value=8), webhook=listener.url)
    await listener.until("execution_success")
    own = base64.b64decode(server_key(served.folders.user).removeprefix("whsec_"))
    assert listener.requests and all(accepts(headers, body, own) for headers, body in listener.requests)
    assert not accepts(listener.requests[0][0], listener.requests[0][1] + b" ", own)


async def test_nobody_is_told_a_webhooks_secret(served: Serving, listener: Listener) -> None:
    secret = "whsec_" + base64.b64encode(b"nobody is told this one").decode()
    await served.services.queue.hold()
    run = await served.queue(chain(value=9), webhook={"url": listener.url, "secret": secret})
    for path in ("/queue", "/jobs", f"/jobs/{run}"):
        assert secret not in await (await served.client.get(path)).text(), path
    await served.services.queue.let_go()
    await served.ended(run)
    for path in ("/history", f"/history/{run}", "/jobs", f"/jobs/{run}", f"/jobs/{run}/events"):
        assert secret not in await (await served.client.get(path)).text(), path
    await listener.until("execution_success")
    assert secret not in str(listener.requests)


async def test_a_webhook_that_cannot_be_reached_holds_nobody_up(served: Serving, listener: Listener) -> None:
    listener.refusals = 10**6
    await served.queue(chain(value=4), webhook=listener.url)
    run = await served.queue(chain(value=5))
    await served.ended(run)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("http://example.org/x", "--webhook-hosts example.org"),
        ("ftp://localhost/x", "not an address"),
        (5, "not an address"),
        ({"events": []}, "not an address"),
        ({"url": "http://localhost/", "events": "all"}, "list of types"),
    ],
)
async def test_webhooks_that_cannot_be(given: object, told: str, served: Serving) -> None:
    answer = await served.client.post("/prompt", json={"prompt": chain(), "webhook": given})
    assert answer.status == 400
    assert told in await answer.text()


async def test_hosts_that_may_be_told(tmp_path: Path) -> None:
    async with serving(tmp_path, webhook_hosts=("example.org",)) as served:
        body = {"prompt": chain(), "webhook": "http://example.org:1/x", "extra_data": {"webhook": {"url": "other"}}}
        assert (await served.client.post("/prompt", json=body)).status == 200


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example\\@127.0.0.1/",
        "http://127.0.0.1\\@evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://user:word@127.0.0.1/",
        "http://127.0.0.1\n.evil.example/",
        "http://127.0.0.1 .evil.example/",
        "//127.0.0.1/",
        "http:///127.0.0.1/",
        "http://127.0.0.1.evil.example/",
        "http://[::1",
    ],
)
def test_an_address_that_is_read_in_two_ways_is_refused(address: str) -> None:
    with pytest.raises(ApiError):
        webhooks.read_webhook(address, ("evil.test",))


@pytest.mark.parametrize(
    "address",
    [
        *("http://127.0.0.1:1/", "http://localhost:1/", "http://127.8.9.1/", "http://0.0.0.0/", "http://[::1]/"),
        *("http://[::]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest", "http://[fe80::1]/"),
    ],
)
def test_every_host_is_every_other_host_for_users(address: str) -> None:
    with pytest.raises(ApiError):
        webhooks.read_webhook(address, ("*",), loopback=False)
    assert webhooks.read_webhook("http://127.0.0.1:1/", ("*",)) is not None, "an admin's may"
    assert webhooks.read_webhook("http://127.0.0.1:1/", ("127.0.0.1",), loopback=False) is not None, "it is named"


async def test_no_name_of_this_machine_leads_a_users_webhook_here(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name of a stranger's that is resolved to this machine; an admin's webhook goes there."""

    async def resolved(_: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        told = {"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        return [told]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolved)
    accounts = Accounts(tmp_path / "accounts.sqlite")
    heard: dict[str, int] = {}
    async with serving(tmp_path, accounts, webhook_hosts=("*",)) as served:
        for name, admin in (("bob", False), ("ann", True)):
            accounts.add(name, None, admin=admin)
            secret = accounts.new_token(name, Scope.ADMIN if admin else Scope.RUN)[1]
            hook = listener.url.replace("127.0.0.1", "hooks.example")
            body = {"prompt": chain(), "webhook": hook, "prompt_id": f"of {name}"}
            headers = {"Authorization": f"Bearer {secret}"}
            assert (await served.client.post("/prompt", json=body, headers=headers)).status == 200
            await served.ended(f"of {name}")
            await asyncio.sleep(0.1)
            heard[name] = len(listener.requests)
    accounts.close()
    assert heard["bob"] == 0 and heard["ann"] > 0


async def test_what_listens_on_the_server_alone_is_not_for_its_users(tmp_path: Path, listener: Listener) -> None:
    accounts = Accounts(tmp_path / "accounts.sqlite")
    tokens = {}
    for name, admin in (("ann", True), ("bob", False)):
        accounts.add(name, None, admin=admin)
        secret = accounts.new_token(name, Scope.ADMIN if admin else Scope.RUN)[1]
        tokens[name] = {"Authorization": f"Bearer {secret}"}
    async with serving(tmp_path, accounts) as served:
        body = {"prompt": chain(), "webhook": listener.url}
        answer = await served.client.post("/prompt", json=body, headers=tokens["bob"])
        assert answer.status == 400 and "--webhook-hosts" in (await answer.json())["error"]["remedy"]
        assert (await served.client.post("/prompt", json=body, headers=tokens["ann"])).status == 200
    accounts.close()
