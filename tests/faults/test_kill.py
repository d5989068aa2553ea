"""Kill -9 at any moment: every job that was acknowledged is there, and runs once to its end."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.crashing import Zygote, picture, until_answered
from tests.support.live_server import live_server

KILLS = 100
AT_THE_START = 20
"""Of them, so many while the server still starts."""
JOBS = 4
"""That are posted in each of its lives, if they last that long."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


def ask(port: int, method: str, path: str, body: object = None) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        content = None if body is None else json.dumps(body).encode()
        connection.request(method, path, content, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


class Client:
    """Posts jobs until it is told to stop, or nobody answers; knows which were acknowledged."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.acknowledged: dict[str, int] = {}
        """Names -> pictures of the job."""
        self.posted = 0

    def post(self, count: int) -> None:
        for _ in range(count):
            name, batch = f"job-{self.posted:04}", 1 + self.posted % 3
            self.posted += 1
            body = {"prompt": picture(self.posted, name, batch), "prompt_id": name}
            try:
                answered = ask(self._port, "POST", "/prompt", body)
            except (OSError, HTTPException, ValueError):
                return  # killed before it answered
            assert answered.get("prompt_id") == name, answered
            self.acknowledged[name] = batch


def pictures(base: Path) -> Iterator[Path]:
    """What is visible in the output folder."""
    for path in (base / "output").iterdir():
        if not path.name.startswith("."):
            yield path


def running(base: Path, port: int) -> int:
    """How many jobs ran when the server was killed."""
    path = base / "user" / "limner" / f"server-{port}.sqlite"
    try:
        with closing(sqlite3.connect(path)) as file:
            return int(file.execute("SELECT count(*) FROM places WHERE state = 'running'").fetchone()[0])
    except sqlite3.OperationalError:  # it was killed before it had made its tables
        return 0


def wait_for_all(port: int, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while ask(port, "GET", "/prompt")["exec_info"]["queue_remaining"]:
        assert time.monotonic() < end, "the queue does not end"
        time.sleep(0.05)


def check(base: Path, port: int, client: Client) -> None:
    """What was acknowledged has run, once; what was not has run once, or never was."""
    history = ask(port, "GET", "/history")
    assert set(client.acknowledged) <= set(history), "a job is lost"
    assert {entry["status"]["status_str"] for entry in history.values()} == {"success"}
    files = Counter(path.name.rpartition("_0")[0] for path in pictures(base))
    assert files == Counter({name: 1 + int(name[-4:]) % 3 for name in history}), "a job ran twice, or not to its end"
    shown = {item["filename"] for entry in history.values() for item in entry["outputs"]["3"]["images"]}
    assert shown == {path.name for path in pictures(base)}
    with closing(sqlite3.connect(base / "user" / "limner" / f"server-{port}.sqlite")) as file:
        assert file.execute("SELECT count(*) FROM places").fetchone() == (0,)
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        ends = "SELECT run, count(*) FROM events WHERE kind = 'RunFinished' GROUP BY run HAVING count(*) > 1"
        assert file.execute(ends).fetchall() == []


def test_a_hundred_kills_lose_no_job_and_run_none_twice(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance, port = random.Random(seed), free_port()
    zygote, client, interrupted, seen = Zygote(tmp_path, port), Client(port), 0, set[str]()
    early = set(chance.sample(range(1, KILLS), AT_THE_START))
    try:
        for kill in range(KILLS):
            server = zygote.start()
            if kill in early:
                time.sleep(chance.uniform(0, 0.25))
            else:
                until_answered(port)
                poster = threading.Thread(target=client.post, args=(JOBS,))
                poster.start()
                time.sleep(chance.uniform(0, 0.08))
            zygote.kill(server)
            if kill not in early:
                poster.join()
            interrupted += running(tmp_path, port)
            for path in pictures(tmp_path):
                if path.name not in seen:
                    with Image.open(path) as image:  # whole: no half of a file is ever visible
                        image.load()
                    seen.add(path.name)
        zygote.start()
        until_answered(port)
        wait_for_all(port)
        check(tmp_path, port, client)
    finally:
        zygote.close()
    print(f"{len(client.acknowledged)} acknowledged, {interrupted} interrupted")
    assert len(client.acknowledged) >= KILLS and interrupted >= 5, "the kills met nothing"


@pytest.mark.parametrize("seed", [1])
def test_the_server_with_its_host_is_killed(tmp_path: Path, seed: int) -> None:
    chance, port = random.Random(seed), free_port()
    client = Client(port)
    for life in range(4):
        with live_server(tmp_path, "--port", str(port)) as server:
            client.post(JOBS)
            if life < 3:
                time.sleep(chance.uniform(0, 1.0))
                os.kill(server.pid, signal.SIGKILL)
            else:
                wait_for_all(port)
                check(tmp_path, port, client)
