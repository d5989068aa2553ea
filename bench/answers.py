"""Large answers: `/object_info` with two thousand node types, and a 4K PNG through `/view`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from .engine import free_port
from .processes import PATIENCE, Measured, server
from .report import Figure

PACK = Path(__file__).with_name("many")
TURNS = 50
WIDTH, HEIGHT = 3840, 2160
PIECE = 2**18
SENDER = """
import os, socket, sys
path = sys.argv[1]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
while client.recv(65536):
    client.sendall(f"HTTP/1.1 200 OK\\r\\nContent-Length: {os.path.getsize(path)}\\r\\n\\r\\n".encode())
    with open(path, "rb") as file:
        client.sendfile(file)
"""
CALM = 2.0
"""Seconds for the server to be done with its start."""


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="limner-bench-", dir=Path.cwd()) as base:  # a disk: /tmp may be memory
        (Path(base) / "custom_nodes").mkdir()
        (Path(base) / "custom_nodes" / "many").symlink_to(PACK)
        (Path(base) / "output").mkdir()
        picture = made(Path(base) / "output" / "4k.png")
        command = ["serve", "--port", str(free_port()), "--base-directory", base, "--cpu"]
        with server([sys.executable, "-m", "limner.cli", *command]) as ours:
            ready(ours)
            time.sleep(CALM)
            yield from object_info(ours, Path(base) / "models" / "loras")
            yield from viewed(ours, picture)


def made(path: Path) -> Path:
    """A PNG of noise, which does not get smaller."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, compress_level=1)
    return path


def ready(ours: Measured) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            ours.ask("/readyz")
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the host did not become ready")


class Browser:
    """Keeps one connection, as a browser does, and takes answers compressed."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._connection = HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)

    def ask(self, path: str, etag: str = "") -> tuple[float, int, str]:
        """Milliseconds, bytes of the body, and its tag."""
        headers = {"Accept-Encoding": "gzip"} | ({"If-None-Match": etag} if etag else {})
        started = time.perf_counter()
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        size, buffer = 0, bytearray(PIECE)
        while count := answer.readinto(buffer):
            size += count
        taken = (time.perf_counter() - started) * 1000
        if answer.status != (304 if etag else 200):
            raise RuntimeError(f"{path} is answered with {answer.status}")
        return taken, size, answer.headers.get("ETag") or ""

    def close(self) -> None:
        self._connection.close()


@contextmanager
def browser(url: str) -> Iterator[Browser]:
    opened = Browser(url)
    try:
        opened.ask("/healthz")
        yield opened
    finally:
        opened.close()


def object_info(ours: Measured, loras: Path) -> Iterator[Figure]:
    """The first answer after the start; the next ones; one that says that nothing is new; one with a new file in it."""
    name = "/object_info, 2,000 types and ours"
    with browser(ours.url) as asks:
        first, size, etag = asks.ask("/object_info")
        least = statistics.median(asks.ask("/healthz")[0] for _ in range(TURNS))
        again = statistics.median(asks.ask("/object_info")[0] for _ in range(TURNS))
        same = statistics.median(asks.ask("/object_info", etag)[0] for _ in range(TURNS))
        (loras / "new.safetensors").write_bytes(b"")
        changed, _, new = asks.ask("/object_info")
        if new == etag:
            raise RuntimeError("the new file is not seen")
    yield Figure(f"{name}, first", first, "ms", least, "GET /healthz", bound=20)
    yield Figure(f"{name}, again", again, "ms", least, "GET /healthz", bound=20)
    yield Figure(f"{name}, unchanged (304)", same, "ms", least, "GET /healthz", bound=20)
    yield Figure(f"{name}, with a new file", changed, "ms", least, "GET /healthz", bound=20)
    yield Figure("its size, compressed", size / 1000, "kB")


def viewed(ours: Measured, picture: Path) -> Iterator[Figure]:
    """Megabytes a second, from the disk and from the system's memory, beside a bare `sendfile` to the same client."""
    megabytes = picture.stat().st_size / 1e6
    with browser(ours.url) as asks, sender(picture) as bare:
        for place, forget in (("the disk", True), ("memory", False)):
            told = speed(picture, megabytes, lambda: asks.ask("/view?filename=4k.png"), forget=forget)
            sent = speed(picture, megabytes, lambda: bare.ask("/"), forget=forget)
            name, bound = f"4K PNG through /view, from {place}", 0.8 * sent if forget else None
            yield Figure(name, told, "MB/s", sent, "a bare sendfile", bound, at_least=True)
    disk = speed(picture, megabytes, lambda: read(picture), forget=True)
    yield Figure("the disk alone, reading that file", disk, "MB/s")


@contextmanager
def sender(picture: Path) -> Iterator[Browser]:
    """A process that answers each request of one connection with the file, and does nothing else."""
    command = [sys.executable, "-c", SENDER, str(picture)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        opened = Browser(f"http://127.0.0.1:{process.stdout.readline().strip()}")
        opened.ask("/")
        yield opened
        opened.close()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def speed(picture: Path, megabytes: float, call: Callable[[], object], *, forget: bool) -> float:
    taken = []
    for _ in range(10):
        if forget:
            forgotten(picture)
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return megabytes / statistics.median(taken)


def forgotten(picture: Path) -> None:
    """The system does not have the file in its memory any more."""
    with open(picture, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(picture: Path) -> None:
    buffer = bytearray(PIECE)
    with open(picture, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
