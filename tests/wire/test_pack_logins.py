"""Packs' routes on a server that asks for a login: shut like all others, and told nothing that could be used again."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from limner.accounts import Accounts, Scope
from limner.server.auth import COOKIE
from tests.support.in_process import serving


async def test_a_pack_is_not_told_what_its_users_log_in_with(tmp_path: Path) -> None:
    told: list[web.Request] = []

    async def route(request: web.Request) -> web.StreamResponse:
        told.append(request)
        response = web.Response(text="pack")
        response.set_cookie("visitor", f"of {len(told)}")
        return response

    pack = web.Application()
    pack.router.add_get("/mypack/route", route)
    accounts = Accounts(tmp_path / "accounts.sqlite")
    accounts.add("bob", None)
    bob, token = accounts.new_session("bob", 60), accounts.new_token("bob", Scope.RUN)[1]
    async with TestServer(pack) as host, serving(tmp_path, accounts) as served:
        served.services.packs.learn("", {"address": f"tcp:{host.port}", "routes": [("GET", "/mypack/route")]})
        assert (await served.client.get("/mypack/route")).status == 401
        assert not told
        cookies = {"Cookie": f"{COOKIE}={bob}; theme=dark"}
        assert await (await served.client.get("/mypack/route?a=1&token=own", headers=cookies)).text() == "pack"
        served.client.session.cookie_jar.clear()
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await served.client.get(f"/mypack/route?token={token}", headers=bearer)).status == 200
    accounts.close()
    assert dict(told[0].cookies) == {"theme": "dark"} and dict(told[0].query) == {"a": "1", "token": "own"}
    assert dict(told[1].cookies) == {} and dict(told[1].query) == {}
    assert "Authorization" not in told[1].headers
