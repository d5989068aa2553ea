"""Servers to be killed: the real stores, queue, consumer, engine, nodes and HTTP routes, started in a few milliseconds.

A zygote imports everything once and forks a server for each line that it reads: only the process boundary between
server and host is left out, as there is no time for a new host each time. `Zygote` is its other end.

    python -m tests.support.crashing BASE PORT
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

READY, ENDS = b"r", b"e"


class Zygote:
    """Makes servers over one base directory, one after the other."""

    def __init__(self, base: Path, port: int) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-m", "tests.support.crashing", str(base), str(port)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
        )
        assert self._process.stdout is not None and self._process.stdin is not None
        self._out, self._in = self._process.stdout, self._process.stdin
        self._out.readline()

    def start(self) -> int:
        """Fork a server; returns its process id at once, while it still starts."""
        self._in.write(b"start\n")
        return int(self._out.readline())

    def kill(self, pid: int) -> None:
        """End a server the hard way, and wait until it is gone."""
        os.kill(pid, signal.SIGKILL)
        self._in.write(b"wait\n")
        assert self._out.readline().strip() == b"gone"

    def close(self) -> None:
        self._in.close()
        self._process.wait(timeout=30)
        self._out.close()


def main(base: Path, port: int) -> None:
    """Serve a fork for each `start`, and wait for the latest at each `wait`."""
    import limner.app.server  # noqa: F401  # for the forks, which find everything imported
    import tests.support.in_process  # noqa: F401
    from limner.app.core import make_core
    from limner.settings import resolve

    settings = resolve({"base_directory": str(base), "port": port, "cpu": True}, {})
    schemas = _schemas(settings)
    print("ready", flush=True)
    child = 0
    for line in sys.stdin:
        if line == "start\n":
            child = os.fork()
            if child == 0:
                os.close(0)
                os.dup2(2, 1)
                try:
                    asyncio.run(serve(settings, schemas, make_core))
                finally:
                    os._exit(1)
            print(child, flush=True)
        else:
            os.waitpid(child, 0)
            print("gone", flush=True)


def _schemas(settings: Any) -> Sequence[Any]:
    """Those of the built-in nodes; read without a thread, as threads do not outlive a fork."""
    from limner.nodes.library import built_in
    from limner.plugins.library import Library

    return [implementation.schema for implementation in Library(built_in()).values()]


async def serve(settings: Any, schemas: Sequence[Any], make_core: Any) -> None:
    """`limner.app.server.running`, with its host in this process."""
    from aiohttp import web

    from limner.app.caching import cache, job_folder
    from limner.app.folders import prepared_folders
    from limner.app.preparation import prepare
    from limner.app.server import _tidy
    from limner.app.stores import stores
    from limner.comfy.object_info import ObjectInfo
    from limner.engine import Engine, RunRequest
    from limner.executors.local import LocalExecutor
    from limner.graph import Catalog
    from limner.queue import Job
    from limner.runs import Consumer
    from limner.server import ServerSettings, Services, create_app
    from tests.support.in_process import FakeMachine

    folders = prepared_folders(settings)
    async with AsyncExitStack() as closing:
        kept = await stores(settings, closing)
        _tidy(folders, job_folder(settings, folders), kept.queue)
        executor = LocalExecutor(make_core(settings, folders, resumable=True))
        engine = Engine(executor, cache(settings, folders))
        catalog = Catalog(schemas)
        machine = FakeMachine(executor, engine, catalog, folders)
        info = ObjectInfo(catalog, folders.choices)

        async def request(job: Job) -> RunRequest:
            return await prepare(job, catalog, machine)

        consumer = Consumer(kept.queue, engine, request, kept.history, kept.bus)
        services = Services(
            folders, lambda: info, kept.queue, consumer, kept.bus, kept.history, machine, ServerSettings()
        )
        runner = web.AppRunner(create_app(services), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", settings.port, reuse_address=True).start()
        await consumer.serve()


def picture(color: int, name: str, batch: int = 1) -> Mapping[str, Any]:
    """A workflow of three small nodes that saves a picture of this colour under this name."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": batch, "color": color}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": name}},
    }


def until_answered(port: int, seconds: float = 60.0) -> None:
    """Wait until a server answers on this port."""
    from http.client import HTTPConnection

    end = time.monotonic() + seconds
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            connection.close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
