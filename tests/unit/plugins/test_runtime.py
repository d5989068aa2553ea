"""Lanes, reports, frames and the context of a call."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from limner.engine.ports import Ended, Previewed, Progressed, Report, Said, Started
from limner.engine.values import Demand
from limner.graph import Lane
from limner.plugins.context import CURRENT, CallContext, RunState
from limner.plugins.lanes import Lanes
from limner.plugins.reports import ReportBuffer, without_stale
from limner.plugins.services import Services
from limner.plugins.transport import LENGTH, Connection, Listener, Pair, connection_of, end_at
from limner.sdk import Cancelled


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    lanes = Lanes()
    yield lanes
    lanes.close()


def test_the_device_lane_is_one_thread(lanes: Lanes) -> None:
    threads: list[int] = []
    futures = [lanes.submit(Lane.DEVICE, lambda: threads.append(threading.get_ident())) for _ in range(20)]
    for future in futures:
        future.result(timeout=10)
    assert len(threads) == 20
    assert len(set(threads)) == 1


def test_eight_calls_overlap_in_the_cpu_lane(lanes: Lanes) -> None:
    """However few processors there are: packs wait there too."""
    barrier = threading.Barrier(8, timeout=20)
    futures = [lanes.submit(Lane.CPU, lambda: barrier.wait() and None) for _ in range(8)]
    for future in futures:
        future.result(timeout=20)


def test_errors_come_back_from_every_lane(lanes: Lanes) -> None:
    async def fail() -> None:
        raise KeyError("async")

    for lane in (Lane.DEVICE, Lane.CPU, Lane.IO):
        with pytest.raises(ZeroDivisionError):
            lanes.submit(lane, lambda: 1 // 0).result(timeout=10)  # type: ignore[arg-type, return-value]
    with pytest.raises(KeyError):
        lanes.start(fail()).result(timeout=10)
    with pytest.raises(SystemExit):
        lanes.submit(Lane.DEVICE, lambda: sys.exit(3)).result(timeout=10)
    lanes.submit(Lane.DEVICE, lambda: None).result(timeout=10)


def test_every_thread_that_runs_nodes_is_guarded() -> None:
    inside = threading.local()

    @contextmanager
    def guard() -> Iterator[None]:
        inside.here = True
        yield
        inside.here = False

    lanes = Lanes(guard=guard)
    seen: list[bool] = []

    async def look() -> None:
        seen.append(inside.here)

    for lane in (Lane.DEVICE, Lane.CPU, Lane.IO):
        lanes.submit(lane, lambda: seen.append(inside.here)).result(timeout=10)
    lanes.start(look()).result(timeout=10)
    lanes.close()
    assert seen == [True] * 4


async def test_reports_come_in_order_and_in_batches() -> None:
    batches: list[list[Report]] = []
    buffer = ReportBuffer(asyncio.get_running_loop(), lambda batch: batches.append(list(batch)))
    reports: list[Report] = [Ended(str(n), Demand(())) for n in range(1000)]

    def work() -> None:
        for report in reports:
            buffer.add(report)

    await asyncio.to_thread(work)
    buffer.flush()
    buffer.flush()
    assert [report for batch in batches for report in batch] == reports
    assert len(batches) < 100
    buffer.add(Started("late"))
    async with asyncio.timeout(5):
        while batches[-1] != [Started("late")]:
            await asyncio.sleep(0.001)


def test_stale_reports_are_left_out() -> None:
    said = Said("event", {})
    end = Ended("1", Demand(()))
    batch: list[Report] = [
        Started("1"),
        Progressed("1", 1, 3),
        said,
        Progressed("2", 1, 3),
        Previewed("1", b"a", "image/png"),
        Progressed("1", 2, 3),
        Previewed("1", b"b", "image/png"),
        end,
        Started("2"),
    ]
    assert without_stale(batch) == [
        said,
        Progressed("2", 1, 3),
        Progressed("1", 2, 3),
        Previewed("1", b"b", "image/png"),
        end,
        Started("2"),
    ]


async def test_frames_of_any_size_arrive_whole_and_in_order() -> None:
    ours, theirs = [await connection_of(end) for end in socket.socketpair()]
    frames = [b"", b"x", bytes(300_000), b"last"]
    for frame in frames:
        ours.send(frame)
    assert [await theirs.receive() for _ in frames] == frames
    await ours.close()
    assert await theirs.receive() is None
    await theirs.close()
    with pytest.raises(ConnectionError):
        theirs.send(b"x")


async def test_what_is_no_frame_is_refused() -> None:
    raw, end = socket.socketpair()
    connection = await connection_of(end)
    raw.sendall(LENGTH.pack(2**32 - 1))
    with pytest.raises(ValueError, match="frame"):
        await connection.receive()
    raw.close()
    await connection.close()


async def test_a_listener_lets_nobody_in_without_the_token() -> None:
    with Listener() as listener:
        _, port, _ = listener.address.split(":")
        stranger = socket.create_connection(("127.0.0.1", int(port)))
        stranger.sendall(b"0" * 32)
        child = await asyncio.to_thread(end_at, listener.address)
        connection = await listener.connect()
        child.sendall(LENGTH.pack(2) + b"hi")
        assert await connection.receive() == b"hi"
        assert await asyncio.to_thread(stranger.recv, 10) == b"", "the stranger was turned away"
        stranger.close()
        child.close()
        await connection.close()


async def test_a_pair_connects_parent_and_child() -> None:
    with Pair() as pair:
        child = socket.socket(fileno=os.dup(pair.inherited[0]))
        connection = await pair.connect()
    child.sendall(LENGTH.pack(2) + b"hi")
    assert await connection.receive() == b"hi"
    child.close()
    await connection.close()
    assert isinstance(connection, Connection)


@pytest.mark.parametrize("address", ["", "fd:x", "tcp:80", "unix:/tmp/x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="no address of a host"):
        end_at(address)


def test_only_nodes_that_do_not_look_up_are_jolted(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunState("run")
    stubborn = CallContext("1", "T", run, Services(), lambda report: None)
    careful = CallContext("1", "T", run, Services(), lambda report: None, cooperative=True)
    stubborn.jolt()
    run.cancel()
    with pytest.raises(Cancelled):
        stubborn.jolt()
    careful.jolt()
    monkeypatch.setattr("limner.plugins.context.PATIENCE", -1.0)
    with pytest.raises(Cancelled):
        careful.jolt()


def test_a_call_reports_and_can_be_interrupted(tmp_path: Path) -> None:
    reports: list[Report] = []
    run = RunState("run")
    context = CallContext("1", "T", run, Services(5), reports.append)
    context.progress(1, 3, "text")
    context.preview(b"p")
    context.say("event", {"a": 1}, "client")
    assert reports == [
        Progressed("1", 1.0, 3.0, "text"),
        Previewed("1", b"p", "image/jpeg"),
        Said("event", {"a": 1}, "client"),
    ]
    assert context.service(int) == 5
    assert [context.count("x"), context.count("x"), context.count("y")] == [0, 1, 0]
    folder = context.temporary_folder()
    assert folder.is_dir()
    context.interrupt()
    for check in (context.check_cancelled, lambda: context.progress(2, 3)):
        with pytest.raises(Cancelled):
            check()
    context.close()
    assert not folder.exists()
    assert CURRENT.get() is None
