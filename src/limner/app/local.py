"""Engine and nodes in this process: what commands run workflows with."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from limner.comfy.workflow import read_prompt
from limner.engine import Engine, RunRequest, RunResult, admit
from limner.engine.ports import EventSink
from limner.executors.local import LocalExecutor
from limner.files import Folders
from limner.graph import Catalog
from limner.graph.validate import Verdict
from limner.settings import Settings

from .caching import cache
from .core import make_core
from .folders import prepared_folders


@dataclass(frozen=True, slots=True)
class Local:
    """What runs workflows here."""

    catalog: Catalog
    folders: Folders
    engine: Engine
    executor: LocalExecutor

    async def check(self, prompt: Mapping[str, Any]) -> Verdict:
        """What is wrong with a prompt, and what of it can run. Raises InvalidGraph where it is no prompt at all."""
        graph = read_prompt(prompt)
        return await admit(self.executor, uuid.uuid4().hex, graph, self.catalog, choices=self.folders.choices)

    async def run(
        self,
        verdict: Verdict,
        prompt: Mapping[str, Any],
        workflow: Mapping[str, Any] | None = None,
        sink: EventSink | None = None,
    ) -> RunResult:
        """Run what the verdict allows. `workflow` is the editor's form, to be written into saved files."""
        extra = {"workflow": workflow} if workflow is not None else {}
        hidden = {"prompt": prompt, "extra_pnginfo": extra, "client_id": ""}
        run = uuid.uuid4().hex
        request = RunRequest(run, verdict.graph, verdict.targets, self.catalog, hidden, key=run)
        return await self.engine.run(request, sink)


@asynccontextmanager
async def open_local(settings: Settings) -> AsyncIterator[Local]:
    """The nodes, ready to run, until the context ends. Raises `limner.files.FileProblem` for unusable folders."""
    folders = prepared_folders(settings)
    settings = replace(settings, port=0)  # what the server of a port has written down is not a command's
    executor = LocalExecutor(make_core(settings, folders))
    try:
        catalog = Catalog(await executor.schemas())
        yield Local(catalog, folders, Engine(executor, cache(settings, folders)), executor)
    finally:
        executor.close()
