"""`limner serve` as a user starts it, in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 400


@dataclass(frozen=True)
class LiveServer:
    """`url` without a slash at its end; `pid` is the server's, not its host's."""

    url: str
    base: Path
    pid: int


@contextmanager
def live_server(base: Path, *flags: str) -> Iterator[LiveServer]:
    """A server over this base directory, until the context ends."""
    command = [
        sys.executable,
        "-m",
        "limner.cli",
        "serve",
        "--port",
        "0",
        "--cpu",
        "--base-directory",
        str(base),
        *flags,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIMNER_")}
    log = (base / "server.log").open("wb")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
    killer = threading.Timer(START_SECONDS, process.kill)
    killer.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        killer.cancel()
        found = re.search(r"http://\S+", line)
        assert found, f"the server did not start: {(base / 'server.log').read_text()}"
        yield LiveServer(found.group(), base, process.pid)
    finally:
        killer.cancel()
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        log.close()
