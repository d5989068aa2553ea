"""What `limner top` asks, and what it says where there is no server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from limner.accounts import Accounts, Scope
from limner.cli.errors import BadInput
from limner.cli.main import status
from limner.cli.top.reading import NoAnswer, Server
from tests.support.in_process import serving


@pytest.fixture
async def other() -> AsyncIterator[TestServer]:
    """A program that is no Limner server."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<!DOCTYPE html><p>Hello", content_type="text/html")

    app = web.Application()
    app.router.add_get("/metrics", page)
    async with TestServer(app) as server:
        yield server


def test_where_nothing_answers_it_says_so_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
    assert status(["top", f"127.0.0.1:{port}"]) == 1
    told = capsys.readouterr()
    assert f"no server answers at http://127.0.0.1:{port}" in told.err and "limner serve" in told.err
    assert told.out == "" and "Traceback" not in told.err


async def test_another_program_is_not_taken_for_a_server(other: TestServer) -> None:
    with pytest.raises(BadInput, match="no Limner server"):
        await asyncio.to_thread(Server(str(other.make_url(""))).read)


async def test_a_server_with_a_login_wants_a_token(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.sqlite")
    try:
        accounts.add("ann", None)
        token = accounts.new_token("ann", Scope.READ)[1]
        async with serving(tmp_path, accounts) as served:
            url = str(served.client.make_url(""))
            with pytest.raises(BadInput) as refused:
                await asyncio.to_thread(Server(url).read)
            assert "login" in refused.value.problem and "--token" in refused.value.remedy
            with pytest.raises(BadInput, match="no Limner server"):  # this one tells no metrics but of its process
                await asyncio.to_thread(Server(url, token).read)
    finally:
        accounts.close()


@pytest.mark.parametrize("url", ["http://[", "http://:0:1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises((BadInput, NoAnswer)):
        Server(url).read()


@pytest.mark.parametrize("interval", ["0", "-1", "nan"])
def test_an_interval_that_is_none_is_refused(interval: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["top", "--interval", interval]) == 2
    assert "--interval" in capsys.readouterr().err
