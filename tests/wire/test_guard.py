"""Who may talk to the server, and what its pages may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from limner.server.guard import content_security_policy
from tests.support.in_process import Serving, chain, serving


@pytest.mark.parametrize("host", ["127.0.0.1:8188", "localhost", "[::1]:8188", "LOCALHOST:1", "editor.localhost"])
async def test_the_machines_own_names_are_answered(served: Serving, host: str) -> None:
    assert (await served.client.get("/queue", headers={"Host": host})).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8188", "192.168.1.5", "127.0.0.1.evil.example", ""])
async def test_other_names_are_not(served: Serving, host: str) -> None:
    answer = await served.client.get("/queue", headers={"Host": host})
    assert answer.status == 403
    assert (await answer.json())["error"]["type"] == "unknown_host"


async def test_trusted_names_and_addresses_that_it_listens_on(tmp_path: Path) -> None:
    async with serving(tmp_path, listen=("0.0.0.0",), trusted_hosts=("Studio.example",)) as open_one:
        for host in ("192.168.1.5:8188", "studio.example", "localhost"):
            assert (await open_one.client.get("/queue", headers={"Host": host})).status == 200
        assert (await open_one.client.get("/queue", headers={"Host": "evil.example"})).status == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example", "http://localhost:1", "x"]
)
async def test_posts_from_other_pages_are_refused(served: Serving, origin: str) -> None:
    for method, path in (("post", "/prompt"), ("post", "/free"), ("delete", "/userdata/a"), ("post", "/upload/image")):
        answer = await getattr(served.client, method)(path, headers={"Origin": origin})
        assert answer.status == 403
    answer = await served.client.get("/ws", headers={"Origin": origin, "Upgrade": "websocket"})
    assert answer.status == 403


async def test_our_own_page_may_post(served: Serving) -> None:
    own = str(served.client.make_url("/")).rstrip("/")
    answer = await served.client.post("/prompt", json={"prompt": chain()}, headers={"Origin": own})
    assert answer.status == 200


async def test_cross_site_requests_of_browsers_are_refused_but_for_opening_the_editor(served: Serving) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert (await served.client.get("/history", headers=headers)).status == 403
    opening = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await served.client.get("/", headers=opening)).status == 200
    assert (await served.client.get("/view?filename=x", headers=opening)).status == 403
    framed = opening | {"Sec-Fetch-Dest": "iframe"}
    assert (await served.client.get("/", headers=framed)).status == 403


async def test_every_answer_has_the_policy(served: Serving) -> None:
    for path in ("/", "/queue", "/nothing", "/prompt?x"):
        answer = await served.client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "connect-src 'self'" in policy and "object-src 'none'" in policy
        assert "http:" not in policy and "https:" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_setting_lets_the_editor_reach_other_hosts(tmp_path: Path) -> None:
    assert "https:" in content_security_policy(True)
    async with serving(tmp_path, allow_external_requests=True) as opened:
        assert "https:" in (await opened.client.get("/")).headers["Content-Security-Policy"]


async def test_unknown_paths_and_methods_are_json_errors(served: Serving) -> None:
    for path in ("/nothing", "/api/nothing", "/assets/nothing.js", "/templates/../x", "/docs/nothing.md"):
        answer = await served.client.get(path)
        assert answer.status == 404
        assert (await answer.json())["error"]["type"] == "not_found"
    answer = await served.client.delete("/prompt")
    told: Any = await answer.json()
    assert answer.status == 405 and "GET" in answer.headers["Allow"] and told["error"]["remedy"]


async def test_a_failure_of_ours_shows_no_traceback(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(served.services.history, "clear", broken)
    answer = await served.client.post("/history", json={"clear": True})
    text = await answer.text()
    assert answer.status == 500
    assert "secret" not in text and "Traceback" not in text
