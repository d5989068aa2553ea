"""A server in this process: the real application, queue, engine and host core, over a few nodes that need no torch."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from limner.accounts import Accounts
from limner.app.preparation import salt_of
from limner.comfy.object_info import ObjectInfo
from limner.database import Database
from limner.engine import Engine, Reason, RunRequest, admit
from limner.engine.ports import HOME_KEY
from limner.executors.local import LocalExecutor
from limner.files import Folders
from limner.graph import Catalog, Graph
from limner.graph.validate import Verdict
from limner.plugins.host import HostCore
from limner.plugins.library import Library
from limner.plugins.services import Services as NodeServices
from limner.queue import Job, JobQueue, MemoryQueue, SqliteQueue
from limner.runs import Bus, Consumer, EventLog, History, MemoryHistory, SqliteHistory
from limner.sdk import Files, InputFiles, Int, NodeContext, Result, Text, node, nodes_in
from limner.server import ServerSettings, Services, create_app
from limner.server.services import LogBook, MachineError, NoLogs, nothing_against
from limner.stores import MemoryCache

PREVIEW = b"\xff\xd8\xff\xe0 a picture"


@node(type="Number")
def number(value: Annotated[int, Int(default=1, min=0, max=100)]) -> int:
    return value


@node(type="Load")
def load(ckpt_name: Annotated[str, Files("checkpoints")]) -> str:
    return ckpt_name


@node(type="Slow")
def slow(value: int, steps: Annotated[int, Int(default=2)], ctx: NodeContext) -> int:
    """Shows progress and a preview at each step."""
    for step in range(steps):
        ctx.progress(step + 1, steps)
        ctx.preview(PREVIEW)
    return value


@node(type="Wait")
def wait(value: int, ctx: NodeContext) -> int:
    """Works until it is interrupted."""
    while True:
        ctx.progress(0, 1)
        time.sleep(0.001)


@node(type="Fails")
def fails(value: int) -> int:
    raise ValueError(f"cannot take {value}")


@node(type="Show", output_node=True)
def show(value: int, name: Annotated[str, Text(default="x")]) -> Result:
    return Result(ui={"images": [{"filename": f"{name}{value}.png", "subfolder": "", "type": "output"}]})


@node(type="Size")
def size(image: Annotated[str, InputFiles("image")], ctx: NodeContext) -> int:
    """The width of a picture."""
    with Image.open(ctx.service(Folders).locate(image)) as picture:
        return picture.width


@node(type="Keep", output_node=True)
def keep(value: int, name: Annotated[str, Text(default="x")], ctx: NodeContext) -> Result:
    """Keeps a square picture of this size."""
    file = f"{name}{value}.png"
    Image.new("RGB", (value, value), (200, 30, 40)).save(ctx.service(Folders).output / file)
    return Result(ui={"images": [{"filename": file, "subfolder": "", "type": "output"}]})


@dataclass
class FakeMachine:
    """What a server may ask of its hosts, over an engine in this process."""

    executor: LocalExecutor
    engine: Engine
    catalog: Catalog
    folders: Folders
    ready: bool = True
    freed: list[Mapping[str, bool]] = field(default_factory=list)
    loaded: list[tuple[str, str]] = field(default_factory=list)

    def devices(self) -> Sequence[Mapping[str, Any]]:
        return [{"name": "cpu", "type": "cpu", "index": None}]

    def versions(self) -> Mapping[str, str]:
        return {"pytorch_version": "0"}

    async def admit(self, run: str, graph: Graph, targets: Sequence[str] | None, home: str = "") -> Verdict:
        choices = self.folders.of(home).choices
        return await admit(self.executor, run, graph, self.catalog, targets=targets, choices=choices, home=home)

    def explain(self, run: str) -> Sequence[Reason] | None:
        return self.engine.explain(run)

    async def free(self, *, models: bool, cache: bool) -> None:
        self.freed.append({"models": models, "cache": cache})
        if cache:
            await self.engine.clear_cache()

    async def load_model(self, kind: str, name: str) -> None:
        if kind != "checkpoints":
            raise MachineError("Only checkpoints are loaded ahead", "Use the folder checkpoints")
        self.loaded.append((kind, name))


@dataclass
class Serving:
    """A server that answers, and what it serves. `client` sends requests to it."""

    client: TestClient[Any, Any]
    services: Services
    machine: FakeMachine

    @property
    def folders(self) -> Folders:
        return self.services.folders

    async def run(self, prompt: Mapping[str, Any], **more: Any) -> str:
        """Queue a prompt and wait for its end; returns its id."""
        run = await self.queue(prompt, **more)
        await self.ended(run)
        return run

    async def queue(self, prompt: Mapping[str, Any], **more: Any) -> str:
        answer = await self.client.post("/prompt", json={"prompt": prompt, **more})
        body = await answer.json()
        assert answer.status == 200, body
        return str(body["prompt_id"])

    async def ended(self, run: str) -> None:
        async with asyncio.timeout(10):
            while self.services.history.get(run) is None:
                await asyncio.sleep(0.005)


def chain(kind: str = "Number", value: int = 5, **inputs: Any) -> dict[str, Any]:
    """Number -> (another node) -> Show."""
    prompt: dict[str, Any] = {"1": {"class_type": "Number", "inputs": {"value": value}}}
    last = "1"
    if kind != "Number":
        more = {"steps": 2} if kind == "Slow" else {}
        prompt["2"] = {"class_type": kind, "inputs": {"value": ["1", 0], **more, **inputs}}
        last = "2"
    prompt["9"] = {"class_type": "Show", "inputs": {"value": [last, 0], "name": "x"}, "_meta": {"title": "The end"}}
    return prompt


@asynccontextmanager
async def serving(
    base: Path,
    accounts: Accounts | None = None,
    logs: LogBook | None = None,
    database: Database | None = None,
    complaints: Callable[[], Awaitable[Sequence[str]]] = nothing_against,
    **settings: Any,
) -> AsyncIterator[Serving]:
    """A server over this base directory, until the context ends. `settings` are those of `ServerSettings`.

    With a `database` it keeps its queue, history and events there; `complaints` is what `/readyz` asks.
    """
    folders = Folders.under(base)
    folders.prepare()
    given = NodeServices()
    given.add(Folders, folders).by_home(Folders, Folders.of)
    executor = LocalExecutor(HostCore(Library(nodes_in([sys.modules[__name__]])), given))
    catalog = Catalog(await executor.schemas())
    engine = Engine(executor, MemoryCache())
    queue: JobQueue = MemoryQueue() if database is None else SqliteQueue(database)
    history: History = MemoryHistory() if database is None else SqliteHistory(database)
    bus = Bus(log=None if database is None else EventLog(database))
    machine = FakeMachine(executor, engine, catalog, folders)
    info = ObjectInfo(catalog, folders.choices)

    async def prepare(job: Job) -> RunRequest:
        assert isinstance(job.attachment, Verdict)
        hidden = {"prompt": job.prompt, **job.extra, HOME_KEY: job.home}
        return RunRequest(job.id, job.attachment.graph, job.targets, catalog, hidden, salt=salt_of(job.home))

    consumer = Consumer(queue, engine, prepare, history, bus)
    services = Services(
        folders, lambda: info, queue, consumer, bus, history, machine, ServerSettings(**settings), logs or NoLogs()
    )
    services = replace(services, accounts=accounts, complaints=complaints)
    consuming = asyncio.create_task(consumer.serve())
    try:
        async with TestClient(TestServer(create_app(services))) as client:
            yield Serving(client, services, machine)
    finally:
        await consumer.interrupt()
        consuming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await consuming
        await queue.close()
        await history.close()
        executor.close()
