"""The port of the metrics."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession

from limner.app.listening import CannotServe
from limner.app.metrics_port import metrics_door, metrics_port
from limner.settings import Settings, resolve
from limner.telemetry.metrics import Exposition


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return resolve({"base_directory": str(tmp_path)}, {})


async def test_there_is_none_unless_it_is_asked_for(settings: Settings, server: socket.socket) -> None:
    async with AsyncExitStack() as closing:
        assert metrics_door(settings, server, closing) == ()
        async with metrics_port(Exposition(), ()):
            pass


async def test_it_tells_metrics_under_any_name_and_nothing_else(settings: Settings, server: socket.socket) -> None:
    async with AsyncExitStack() as closing:
        sockets = metrics_door(replace(settings, metrics_port=0), server, closing)
        address = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        async with metrics_port(Exposition(), sockets), ClientSession() as client:
            for path in ("/", "/metrics"):
                async with client.get(address + path, headers={"Host": "limner.cluster.local"}) as answer:
                    assert answer.status == 200 and "process_cpu_seconds_total" in await answer.text()
            async with client.get(f"{address}/queue") as answer:
                assert answer.status == 404
            async with client.post(f"{address}/metrics") as answer:
                assert answer.status == 405


async def test_that_of_the_server_or_one_that_is_taken_is_refused_by_its_flag(
    settings: Settings, server: socket.socket
) -> None:
    port = server.getsockname()[1]
    async with AsyncExitStack() as closing:
        with pytest.raises(CannotServe, match=r"--metrics-port.*/metrics"):
            metrics_door(replace(settings, metrics_port=port), server, closing)
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            with pytest.raises(CannotServe, match=rf"port {taken}.*--metrics-port"):
                metrics_door(replace(settings, metrics_port=taken), server, closing)
        with pytest.raises(CannotServe, match="--metrics-listen"):
            metrics_door(replace(settings, metrics_port=0, metrics_listen="no such address"), server, closing)
