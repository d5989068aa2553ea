"""Server processes to measure: started, waited for, ended."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil

PATIENCE = 120.0


@dataclass
class Measured:
    """A server that answers: `seconds` from its start to the first answer of each path, and to being ready."""

    url: str
    process: psutil.Process
    started: float
    seconds: dict[str, float] = field(default_factory=dict)

    def ask(self, path: str) -> bytes:
        """The answer of a path; keeps when it first came."""
        with urlopen(self.url + path, timeout=PATIENCE) as answer:
            content: bytes = answer.read()
        self.seconds.setdefault(path, time.monotonic() - self.started)
        return content

    @property
    def resident(self) -> float:
        """Resident memory of the process itself, in MB."""
        return self.process.memory_info().rss / 2**20

    @property
    def peak(self) -> float:
        """The most resident memory that it ever had, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 2**10 if found else self.resident


@contextmanager
def server(command: Sequence[str]) -> Iterator[Measured]:
    """A server that prints its address on its first line, until the context ends."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise RuntimeError(f"{command[0]} did not start")
        yield Measured(found.group(), psutil.Process(process.pid), started)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
