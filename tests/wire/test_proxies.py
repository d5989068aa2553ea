"""Behind a proxy: whom it names, which addresses are believed, and Origins that still agree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from limner.accounts import Accounts
from tests.support.in_process import Serving, serving

HEADER = "X-Remote-User"


@asynccontextmanager
async def behind(tmp_path: Path, *proxies: str, **settings: Any) -> AsyncIterator[Serving]:
    accounts = Accounts(tmp_path / "accounts.sqlite")
    accounts.add("ann", None, admin=True)
    try:
        more = {"trusted_proxies": proxies, "proxy_user_header": HEADER, **settings}
        async with serving(tmp_path, accounts, **more) as served:
            yield served
    finally:
        accounts.close()


async def test_a_trusted_proxy_names_the_user(tmp_path: Path) -> None:
    async with behind(tmp_path, "127.0.0.0/8") as served:
        assert (await served.client.get("/queue", headers={HEADER: "carl"})).status == 200
        assert (await served.client.post("/free", headers={HEADER: "carl"})).status == 403
        assert (await served.client.post("/free", headers={HEADER: "Ann"})).status == 200
        assert (await served.client.get("/queue")).status == 401
        assert (await served.client.get("/queue", headers={HEADER: "../ann"})).status == 403


async def test_two_names_are_none(tmp_path: Path) -> None:
    async with behind(tmp_path, "127.0.0.1") as served:
        twice = [(HEADER, "ann"), (HEADER, "carl")]
        assert (await served.client.get("/queue", headers=twice)).status == 401


async def test_anyone_else_names_nobody(tmp_path: Path) -> None:
    async with behind(tmp_path, "10.0.0.2") as served:
        forged = {HEADER: "ann", "X-Forwarded-For": "10.0.0.2"}
        assert (await served.client.get("/queue", headers=forged)).status == 401


@pytest.mark.parametrize("told", [{"X-Forwarded-Host": "studio.example"}, {}])
async def test_origins_agree_behind_a_proxy(tmp_path: Path, told: dict[str, str]) -> None:
    async with behind(tmp_path, "127.0.0.1", trusted_hosts=("studio.example",)) as served:
        own = {HEADER: "ann", "Origin": "https://studio.example", **told}
        assert (await served.client.post("/queue/clear", headers=own)).status == 200
        async with served.client.ws_connect("/ws", headers=own) as socket:
            assert (await socket.receive_json())["type"] == "status"
        for origin in ("https://evil.example", "https://studio.example.evil.example", "null"):
            foreign = own | {"Origin": origin}
            assert (await served.client.post("/queue/clear", headers=foreign)).status == 403


async def test_a_forwarded_host_must_be_a_known_name_too(tmp_path: Path) -> None:
    async with behind(tmp_path, "127.0.0.1") as served:
        asked = {HEADER: "ann", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
        assert (await served.client.get("/queue", headers=asked)).status == 403


async def test_forwarded_headers_of_others_are_not_believed(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        forged = {"X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
        assert (await served.client.post("/queue/clear", headers=forged)).status == 403


async def test_attempts_are_counted_by_the_client_behind_the_proxy(tmp_path: Path) -> None:
    async with behind(tmp_path, "127.0.0.1") as served:
        accounts = served.services.accounts
        assert accounts is not None
        accounts.check = lambda name, password: None  # type: ignore[method-assign]  # quick to be wrong

        async def attempt(address: str) -> int:
            said = {"username": "ann", "password": "wrong"}
            forwarded = {"X-Forwarded-For": f"1.2.3.4, {address}"}
            return (await served.client.post("/login", json=said, headers=forwarded)).status

        assert [await attempt("192.0.2.1") for _ in range(11)] == [401] * 10 + [429]
        assert await attempt("192.0.2.2") == 401
        assert [await attempt(f"2001:db8::{n}") for n in range(11)] == [401] * 10 + [429]
