"""What a host runs: a schema and the calls behind it. `@node` functions and ComfyUI's classes both become this."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from limner.graph import Graph, NodeSchema

from .context import NodeContext


@dataclass(frozen=True, slots=True)
class Result:
    """What one call gave: one entry an output in `values` (a list where the output is a list), `ui` for the editor.

    With `expand`, entries of `values` may be `graph.Link`s into that subgraph. `lists` says which outputs are lists
    where the node decided that itself, against its schema.
    """

    values: Sequence[object] = ()
    ui: Mapping[str, object] | None = None
    expand: Graph | None = None
    lists: Sequence[bool] | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """Stands in a value's place: steps that take it are skipped (ComfyUI's ExecutionBlocker).

    With a message, the run ends with that error at the first step that would have used it; without, silently.
    """

    message: str | None = None


class Implementation(Protocol):
    """One node type, callable."""

    @property
    def schema(self) -> NodeSchema: ...

    def call(self, inputs: Mapping[str, object], context: NodeContext) -> Result | Awaitable[Result]:
        """Compute. `inputs` hold live values, one item each (lists of items where the node is list-wise)."""
        ...

    def needs(
        self, inputs: Mapping[str, object], missing: Sequence[str], context: NodeContext
    ) -> Sequence[str] | Awaitable[Sequence[str]]:
        """Of the missing lazy inputs, those it wants evaluated first (empty: it can run without)."""
        ...

    def complaint(
        self, inputs: Mapping[str, object], input_types: Mapping[str, str], context: NodeContext
    ) -> str | Awaitable[str | None] | None:
        """Its own validation of its literals: what is wrong, or None."""
        ...

    def change_token(self, inputs: Mapping[str, object], context: NodeContext) -> object:
        """A JSON-able value that changes when the node would give another result for the same inputs."""
        ...
