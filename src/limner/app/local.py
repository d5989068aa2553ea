"""Engine and nodes in this process: what commands run workflows with."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from limner.comfy.workflow import read_prompt
from limner.engine import Engine, RunRequest, RunResult, admit
from limner.engine.ports import EventSink, Executor
from limner.executors.local import LocalExecutor
from limner.executors.process import Callbacks
from limner.files import Folders
from limner.graph import Catalog
from limner.graph.validate import Verdict
from limner.plugins.client import Loaded
from limner.plugins.host import HostCore
from limner.settings import Settings

from .caching import cache
from .folders import prepared_folders
from .host_lines import logged
from .hosts import Hosts
from .node_set import SHARED, NodeSet
from .role import Role

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Local:
    """What runs workflows here."""

    catalog: Catalog
    folders: Folders
    engine: Engine
    executor: Executor

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
    """The nodes, ready to run, until the context ends.

    Raises `limner.files.FileProblem` for unusable folders, NoComfyUI and HostUnavailable where one is to be adopted
    that is not there, or does not start.
    """
    folders = prepared_folders(settings, fetches=True)
    settings = replace(settings, port=0)  # what the server of a port has written down is not a command's
    hosts = Hosts(settings, folders)
    async with AsyncExitStack() as closing:
        nodes = NodeSet(folders, hosts.homes, settings.comfyui)
        own = hosts.adopted is None
        shared = LocalExecutor(_core(settings, folders, hosts, nodes), hosts.share_memory()) if own else None
        hosts.make({}, lambda name: _callbacks(nodes, name), nodes.home, shared=shared)
        closing.push_async_callback(hosts.close)
        if shared is not None:
            closing.callback(shared.close)
        else:
            await hosts.shared.schemas()
        await hosts.acquaint(nodes.knows)
        yield Local(nodes.catalog, folders, Engine(hosts.executor, cache(settings, folders)), hosts.executor)


def _core(settings: Settings, folders: Folders, hosts: Hosts, nodes: NodeSet) -> HostCore:
    from .core import make_core  # torch is imported for a host in this process alone

    core = make_core(settings, folders, role=Role(skipped=hosts.quarantine.reasons()))
    problems = [(said.source, said.message) for said in core.library.problems]
    nodes.loaded(SHARED, Loaded(core.schemas(), problems))
    return core


def _callbacks(nodes: NodeSet, name: str) -> Callbacks:
    """A host of its own tells what it prints and what it has."""
    return Callbacks(
        line=logged(name),
        ready=lambda loaded: nodes.loaded(name, loaded),
        gave_up=lambda reason: nodes.unavailable(name, reason),
    )
