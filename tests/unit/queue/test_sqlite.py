"""What the durable queue keeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from limner.queue import NewJob, QueueUnavailable, SqliteQueue

PROMPT = {"1": {"class_type": "A", "inputs": {"text": "snow ☃", "seed": 2**70}}}


async def test_a_reopened_queue_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "queue.db"
    queue = SqliteQueue(path)
    for name in "abcd":
        await queue.add(NewJob(name, PROMPT, ("1",), {"extra_pnginfo": {"x": 1}}, "me"), front=name == "d")
    await queue.take()
    await queue.take()
    await queue.done("a")
    await queue.delete(["b"])
    await queue.close()

    again = SqliteQueue(path)
    assert [job.id for job in again.waiting()] == ["d", "c"]
    assert again.running() == ()
    first = await again.take()
    assert (first.id, first.attempts) == ("d", 2), "it was running when the queue was closed"
    assert (first.prompt, first.targets, first.extra, first.client) == (
        PROMPT,
        ("1",),
        {"extra_pnginfo": {"x": 1}},
        "me",
    )
    assert (await again.add(NewJob("e", {}, ()))).number == 4
    await again.close()


async def test_accepted_jobs_survive_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    script = f"""
import asyncio
from pathlib import Path
from limner.queue import NewJob, SqliteQueue

async def main():
    queue = SqliteQueue(Path({str(path)!r}))
    for number in range(50):
        await queue.add(NewJob(str(number), {{}}, ()))
    await queue.take()
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    queue = SqliteQueue(path)
    assert [job.id for job in queue.waiting()] == [str(number) for number in range(50)]
    await queue.close()


async def test_a_job_that_cannot_be_written_is_not_accepted(tmp_path: Path) -> None:
    queue = SqliteQueue(tmp_path / "queue.db")
    await queue.add(NewJob("a", {}, ()))
    queue._file.execute("PRAGMA query_only = ON")
    with pytest.raises(QueueUnavailable, match="not accepted"):
        await queue.add(NewJob("b", {}, ()))
    assert [job.id for job in queue.waiting()] == ["a"]
    assert (await queue.take()).id == "a", "what was accepted runs on"
    await queue.done("a")
    assert len(queue) == 0
    await queue.close()


def test_a_file_that_is_no_queue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(QueueUnavailable, match="cannot be opened"):
        SqliteQueue(path)
