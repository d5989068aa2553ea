"""A thousand WebSockets in one process: some that never read, and others that note when each frame came.

    python -m bench.crowd_client URL READERS SILENT JOBS

It connects, queues the jobs, each for one of the readers, and prints as one line of JSON what the readers heard. A few
readers have no name, and hear of every run. Frames are kept as they come and read afterwards, so that reading them
delays none.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from .client import percentile

SETTLED = 1.0
"""Seconds after the last job's end in which late frames may come."""
OBSERVER = 50
"""One reader in so many is an observer."""
PATIENCE = 300.0
POSTERS = 8
PING, PONG = b"\x89\x00", b"\x8a\x80" + bytes(4)
TINY = 4096
"""Bytes that the system takes in for a client that never reads."""
KINDS = {"execution_start": 1, "executing": 4, "executed": 1, "execution_success": 1}
"""What a client hears of a job of its own at least: each node begins, and nothing runs at the end."""


class Reader(asyncio.Protocol):
    """A WebSocket that keeps what comes, with the time at which it came."""

    def __init__(self, name: str, observes: bool) -> None:
        self.name, self.observes = name, observes
        self.chunks: list[tuple[float, bytes]] = []
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.chunks.append((time.time(), data))
        if PING in data:  # which no text holds: those are ASCII
            self.transport.write(PONG)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True

    def frames(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """The JSON frames, with the time at which the last byte of each was there."""
        data, ends = b"".join(chunk for _, chunk in self.chunks), []
        total = 0
        for when, chunk in self.chunks:
            total += len(chunk)
            ends.append((total, when))
        at, position = data.index(b"\r\n\r\n") + 4, 0
        while at < len(data):
            kind, length, at = data[at] & 0x0F, data[at + 1] & 0x7F, at + 2
            if length >= 126:
                size = 2 if length == 126 else 8
                length, at = int.from_bytes(data[at : at + size], "big"), at + size
            body, at = data[at : at + length], at + length
            while ends[position][0] < at:
                position += 1
            if kind == 1:
                yield ends[position][1], json.loads(body)


def request(address: str, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()


def silent(host: str, port: int, count: int) -> list[socket.socket]:
    """Clients that connect and never read."""
    found = []
    for number in range(count):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TINY)
        one.connect((host, port))
        one.sendall(request(f"{host}:{port}", f"/ws?clientId=silent-{number}" if number % 2 else "/ws"))
        found.append(one)
    return found


async def connected(host: str, port: int, count: int) -> list[Reader]:
    loop, readers = asyncio.get_running_loop(), []
    for number in range(count):
        reader = Reader(f"reader-{number}", observes=number % OBSERVER == 1)
        transport, _ = await loop.create_connection(partial(_same, reader), host, port)
        path = "/ws" if reader.observes else f"/ws?clientId={reader.name}"
        transport.write(request(f"{host}:{port}", path))
        readers.append(reader)
    async with asyncio.timeout(PATIENCE):
        while not all(reader.chunks for reader in readers):
            await asyncio.sleep(0.01)
    return readers


def _same(reader: Reader) -> Reader:
    return reader


def chain(number: int) -> dict[str, Any]:
    """Three nodes that do no work, with a number that no graph had before."""
    add = {"class_type": "MeasuredAdd", "inputs": {"a": number, "b": 1}}
    more = {"class_type": "MeasuredAdd", "inputs": {"a": ["1", 0], "b": 1}}
    return {"1": add, "2": more, "3": {"class_type": "MeasuredShow", "inputs": {"a": ["2", 0]}}}


async def queue_all(url: str, readers: Sequence[Reader], jobs: int) -> dict[str, str]:
    """Queue the jobs; which reader each is of."""
    start, owners, waiting = random.randrange(10**15), dict[str, str](), iter(range(jobs))
    names = [reader.name for reader in readers if not reader.observes]

    async def post(session: aiohttp.ClientSession) -> None:
        for number in waiting:
            name = names[number % len(names)]
            body = {"prompt": chain(start + number), "client_id": name}
            async with session.post(f"{url}/prompt", json=body) as answer:
                told = await answer.json()
                if answer.status != 200:
                    raise RuntimeError(json.dumps(told)[:500])
                owners[told["prompt_id"]] = name

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(post(session) for _ in range(POSTERS)))
        async with asyncio.timeout(PATIENCE):
            while True:
                async with session.get(f"{url}/prompt") as answer:
                    if not (await answer.json())["exec_info"]["queue_remaining"]:
                        break
                await asyncio.sleep(0.2)
    await asyncio.sleep(SETTLED)
    return owners


async def crowd(url: str, readers: int, others: int, jobs: int) -> dict[str, float]:
    place = urlsplit(url)
    host, port = place.hostname or "127.0.0.1", place.port or 80
    deaf = silent(host, port, others)
    clients = await connected(host, port, readers)
    began = time.monotonic()
    owners = await queue_all(url, clients, jobs)
    seconds = time.monotonic() - began - SETTLED
    told = heard(clients, owners)
    for one in deaf:
        one.close()
    return {**told, "seconds": seconds}


def heard(clients: Sequence[Reader], owners: dict[str, str]) -> dict[str, float]:
    """How late frames came, in milliseconds, and how many jobs some client that hears of them did not hear in full."""
    late: list[float] = []
    missed = stale = 0
    for client in clients:
        runs = {run: Counter[str]() for run, owner in owners.items() if client.observes or owner == client.name}
        length = None
        for when, frame in client.frames():
            if frame["type"] == "status":
                length = frame["data"]["status"]["exec_info"]["queue_remaining"]
            elif frame.get("prompt_id") in runs:
                runs[frame["prompt_id"]][frame["type"]] += 1
            if "timestamp" in frame["data"]:
                late.append((when - frame["data"]["timestamp"] / 1000) * 1000)
        missed += sum(any(run[kind] < least for kind, least in KINDS.items()) for run in runs.values())
        stale += client.lost or length != 0
    return {"p99": percentile(late, 99), "median": percentile(late, 50), "missed": missed, "stale": stale}


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[2:5]]
    print(json.dumps(asyncio.run(crowd(sys.argv[1], *numbers))))
