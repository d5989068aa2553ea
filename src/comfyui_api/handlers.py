"""The calls behind single nodes, in this process.

The nodes are loaded once, at the first call, with the settings that the environment and `limner.toml` give. Values are
live: an image is a float32 tensor [batch, height, width, channels] in 0..1.
"""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .errors import ComfyUIError, NodeFailed

if TYPE_CHECKING:
    from limner.engine.ports import Ended, Report
    from limner.executors.local import LocalExecutor
    from limner.graph import NodeSchema


class NodeHandler:
    """One node type, callable: `handler(inputs)` or `handler(**inputs)` gives a tuple with one entry an output.

    Inputs that are left out take their defaults. Raises ComfyUIError for inputs that the node cannot take, and
    NodeFailed where the node fails.
    """

    def __init__(self, schema: NodeSchema, executor: LocalExecutor) -> None:
        self._schema, self._executor = schema, executor

    @property
    def outputs(self) -> list[str]:
        """The names of its outputs."""
        return [output.name for output in self._schema.outputs]

    def __call__(self, input_data: Mapping[str, Any] | None = None, /, **inputs: Any) -> tuple[Any, ...]:
        given = {**(input_data or {}), **inputs}
        self.check(given)
        complete = {**self._defaults(), **given}
        missing = [name for name in self._required() if name not in complete]
        if missing:
            raise ComfyUIError(f"{self._schema.type} needs the input '{missing[0]}'; give it, or connect it")
        # In a thread, as the caller may be inside an event loop of its own.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._run(complete)).result()

    def check(self, inputs: Mapping[str, Any]) -> None:
        """Raises ComfyUIError for an input that the node does not have."""
        names = [declared.name for declared in self._schema.inputs]
        for name in inputs:
            if name not in names and not self._schema.traits.takes_any_inputs:
                raise ComfyUIError(f"{self._schema.type} has no input '{name}'; it has: {', '.join(names)}")

    def _required(self) -> list[str]:
        return [declared.name for declared in self._schema.inputs if declared.presence == "required"]

    def _defaults(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for declared in self._schema.inputs:
            if declared.presence != "required":
                continue
            if "default" in declared.options:
                found[declared.name] = declared.options["default"]
            elif isinstance(declared.choices, tuple) and declared.choices:
                found[declared.name] = declared.choices[0]
        return found

    async def _run(self, inputs: Mapping[str, Any]) -> tuple[Any, ...]:
        """The node as a segment of one task, its values taken out of the host and released again."""
        from limner.engine.ports import Ended, Segment, Task

        run = uuid.uuid4().hex
        task = Task("1", "1", self._schema.type, run, inputs, lane=self._schema.traits.lane)
        reports: list[Report] = []
        await self._executor.run(Segment(run, (task,), {}), reports.extend)
        await self._executor.finish(run)
        ended = next(report for report in reports if isinstance(report, Ended))
        try:
            return self._values(ended)
        finally:
            await self._executor.release([run])

    def _values(self, ended: Ended) -> tuple[Any, ...]:
        from limner.engine.values import Failure, Held, Values

        result = ended.result
        if isinstance(result, Failure):
            raise NodeFailed(self._schema.type, result.message, result.remedy)
        if not isinstance(result, Values):
            raise ComfyUIError(f"{self._schema.type} builds a graph of its own; run it with `limner run` or a server")
        found = []
        for handle, declared in zip(result.handles, self._schema.outputs, strict=False):
            items: Sequence[Any] = self._executor.core.values.items(Held(handle.fingerprint, handle.output))
            found.append(list(items) if declared.is_list else items[0])
        return tuple(found)


def get_node_handler(node_type: str) -> NodeHandler:
    """The call behind a node type. Raises ComfyUIError for a type that does not exist."""
    executor, schemas = _nodes()
    schema = schemas.get(node_type)
    if schema is None:
        raise ComfyUIError(f"there is no node type {node_type!r}; list them with: limner nodes")
    return NodeHandler(schema, executor)


@functools.cache
def _nodes() -> tuple[LocalExecutor, dict[str, NodeSchema]]:
    from limner.app.core import make_core
    from limner.app.folders import prepared_folders
    from limner.executors.local import LocalExecutor
    from limner.settings import resolve

    settings = resolve()
    folders = prepared_folders(settings)
    executor = LocalExecutor(make_core(settings, folders))
    return executor, {schema.type: schema for schema in executor.core.schemas()}
