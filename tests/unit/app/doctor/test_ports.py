"""Ports and logins as the doctor finds them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from limner.accounts import Accounts
from limner.app.doctor import Finding, Level, ports
from limner.app.folders import folders_of
from limner.settings import resolve


def looked(base: Path, **given: object) -> Mapping[str, Finding]:
    settings = resolve({"base_directory": str(base), **given}, {})
    return {finding.what: finding for finding in ports.findings(settings, folders_of(settings))}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


def test_a_free_port_is_well(tmp_path: Path) -> None:
    found = looked(tmp_path, port=free_port())
    assert {finding.level for finding in found.values()} == {Level.OK} and set(found) == {"port", "login"}


def test_a_port_of_another_program_is_a_problem_with_its_flag(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        taken = opened.getsockname()[1]
        found = looked(tmp_path, port=free_port(), metrics_port=taken)
        assert found["metrics' port"].level is Level.PROBLEM and "--metrics-port" in found["metrics' port"].remedy
        assert found["port"].level is Level.OK


async def test_a_port_of_a_limner_server_is_a_note(tmp_path: Path) -> None:
    import asyncio

    async def loading(request: web.Request) -> web.Response:
        return web.json_response({"status": "loading", "problems": []}, status=503)

    app = web.Application()
    app.router.add_get("/readyz", loading)
    async with TestServer(app) as server:
        found = await asyncio.to_thread(looked, tmp_path, port=server.port)
    assert found["port"].level is Level.NOTE and "a Limner server answers there (loading)" in found["port"].found


def test_others_may_not_reach_a_server_without_users(tmp_path: Path) -> None:
    found = looked(tmp_path, port=free_port(), listen="0.0.0.0")["login"]
    assert found.level is Level.PROBLEM and "limner users add" in found.remedy
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "user" / "limner" / "accounts.sqlite"
    file.parent.mkdir(parents=True)
    accounts = Accounts(file)
    accounts.add("ann", None)
    accounts.close()
    assert looked(tmp_path, port=free_port(), listen="0.0.0.0")["login"].level is Level.OK


def test_an_address_that_is_none_is_a_problem(tmp_path: Path) -> None:
    found = looked(tmp_path, listen="no such address", port=0)
    assert found["port"].level is Level.PROBLEM and "--listen" in found["port"].remedy
