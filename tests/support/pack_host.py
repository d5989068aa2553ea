"""Packs in a host core of this process, and its nodes run one at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limner.comfy.packs import Pack, load_packs
from limner.comfy.shims import Bridge, install, uninstall
from limner.diffusion.runtime import Runtime
from limner.engine.ports import Ended, Inquiry, Report, Said, Segment, Task
from limner.engine.values import Values
from limner.files import Folders
from limner.graph import Lane
from limner.nodes.options import NodeOptions
from limner.plugins.host import HostCore
from limner.plugins.library import Library
from limner.plugins.services import Services

PROMPT = {"1": {"class_type": "First", "inputs": {}}, "2": {"class_type": "Second", "inputs": {}}}


@dataclass
class PackHost:
    """`problems` are the messages of what did not load."""

    packs: dict[str, Pack]
    core: HostCore
    bridge: Bridge
    said: list[Said] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [problem.message for pack in self.packs.values() for problem in pack.problems]

    def schema(self, node_type: str) -> Any:
        return self.core.library[node_type].schema

    async def end(self, node_type: str, node: str = "1", /, **inputs: object) -> object:
        """The outcome of one step; an input given as `...` is a lazy one that has not been evaluated."""
        missing = tuple(name for name, value in inputs.items() if value is ...)
        given = {name: value for name, value in inputs.items() if value is not ...}
        lane = self.schema(node_type).traits.lane
        reports: list[Report] = []
        hidden = {"prompt": PROMPT, "extra_pnginfo": {"workflow": {}}, "client_id": "me"}
        task = Task(node, node, node_type, f"f-{node}", given, missing, Lane(lane))
        await self.core.run(Segment("run", (task,), hidden), reports.extend)
        self.said += [report for report in reports if isinstance(report, Said)]
        return next(report.result for report in reports if isinstance(report, Ended))

    async def values(self, node_type: str, /, **inputs: object) -> Sequence[object]:
        """The first item of each output."""
        outcome = await self.end(node_type, "1", **inputs)
        assert isinstance(outcome, Values), outcome
        return [self.core.items("f-1", number)[0] for number in range(len(outcome.handles))]

    async def ask(self, node_type: str, **inputs: object) -> tuple[str | None, object]:
        """What the node's own validation says, and its change token."""
        (answer,) = await self.core.inquire("run", [Inquiry("1", node_type, inputs, {}, validate=True, token=True)])
        return answer.complaint, answer.token


@contextmanager
def pack_host(base: Path, *folders: Path) -> Iterator[PackHost]:
    """A host with the packs of these folders, until the context ends; then nothing of them is left in this process."""
    before = set(sys.modules)
    found = Folders.under(base)
    found.prepare()
    services = Services(NodeOptions()).add(Folders, found)
    services.add_factory(Runtime, lambda: Runtime("cpu"))
    bridge = Bridge(found, services, {})
    finder = install(bridge)
    core: HostCore | None = None
    try:
        packs = load_packs(folders, bridge)
        core = HostCore(Library([node for pack in packs for node in pack.nodes]), services)
        bridge.say = core.say
        host = PackHost({pack.name: pack for pack in packs}, core, bridge)
        core.listener = host.said.append
        yield host
    finally:
        if core is not None:
            core.close()
        uninstall(finder)
        for name in set(sys.modules) - before:
            if name.startswith("custom_nodes"):
                del sys.modules[name]
