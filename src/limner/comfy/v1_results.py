"""What a V1 node's method returned -> a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from limner.graph import Graph, Link, Node, NodeSchema
from limner.sdk import Blocked, NodeContext, Result

from .boundary import from_pack
from .v1_hidden import remember_expansion


class WrongReturn(TypeError):
    """The method returned something else than its class declares."""

    def __init__(self, problem: str) -> None:
        self.remedy = "This is a mistake in the node's code; tell its author"
        super().__init__(problem)


def result_of(given: object, schema: NodeSchema, context: NodeContext) -> Result:
    """Raises WrongReturn where the method did not return what its class declares."""
    ui: Mapping[str, object] | None = None
    expand: Graph | None = None
    if is_output(given):
        given = as_returned(given)
    if isinstance(given, Mapping):
        shown = given.get("ui")
        ui = shown if isinstance(shown, Mapping) else None
        raw = given.get("expand")
        if isinstance(raw, Mapping):
            expand = expanded(raw)
            remember_expansion(raw, context)
        given = given.get("result")
        if given is None:
            # A node that only shows something, although its class has outputs: who takes them gets None.
            return Result((None,) * len(schema.outputs), ui, expand)
    return Result(_values(given, schema, linked=expand is not None), ui, expand)


def is_output(value: object) -> bool:
    """Whether it is a NodeOutput, which the methods of V1 classes may return too."""
    return hasattr(value, "block_execution") and hasattr(value, "expand")


def as_returned(output: Any) -> Mapping[str, object]:
    """A NodeOutput as a V1 method would return it."""
    ui = output.ui.as_dict() if hasattr(output.ui, "as_dict") else output.ui
    result: object = output.result
    if output.block_execution is not None:
        result = import_module("comfy_execution.graph_utils").ExecutionBlocker(output.block_execution)
    return {"ui": ui, "result": result, "expand": output.expand}


def with_lists(result: Result, node: object) -> Result:
    """The result, where the method has set `self.OUTPUT_IS_LIST` for what it returned."""
    said = vars(node).get("OUTPUT_IS_LIST") if hasattr(node, "__dict__") else None
    if not isinstance(said, tuple | list):
        return result
    lists = [bool(listed) for listed in said[: len(result.values)]]
    return replace(result, lists=[*lists, *[False] * (len(result.values) - len(lists))])


def _values(given: object, schema: NodeSchema, *, linked: bool) -> Sequence[object]:
    outputs = schema.outputs
    if is_blocker(given):
        return (blocked(given),) * len(outputs)
    if not outputs:
        return ()
    if not isinstance(given, tuple | list):
        raise WrongReturn(
            f"{schema.type} returned {_named(given)}, and its class declares a tuple of {len(outputs)} outputs"
        )
    if not given:
        raise WrongReturn(f"{schema.type} returned 0 values, and its class declares {len(outputs)} outputs")
    # Packs declare more outputs than they return; who takes the others gets None.
    given = [*given, *[None] * (len(outputs) - len(given))]
    return tuple(
        from_pack(_value(value, is_list=output.is_list, linked=linked))
        for value, output in zip(given, outputs, strict=False)
    )


def _named(given: object) -> str:
    return "nothing" if given is None else f"a {type(given).__name__}"


def _value(value: object, *, is_list: bool, linked: bool) -> object:
    if is_blocker(value):
        return blocked(value)
    if linked and is_link(value):
        return link(value)
    if is_list and isinstance(value, list | tuple) and any(is_blocker(item) for item in value):
        return [blocked(item) if is_blocker(item) else item for item in value]
    return value


def is_blocker(value: object) -> bool:
    """Whether it is an ExecutionBlocker, of whichever module."""
    return type(value).__name__ == "ExecutionBlocker"


def blocked(value: Any) -> Blocked:
    message = getattr(value, "message", None)
    return Blocked(None if message is None else str(message))


def is_link(value: object) -> bool:
    """Whether it has the form of a link: `[node id, output]`."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int | float)
        and not isinstance(value[1], bool)
    )


def link(value: Any) -> Link:
    return Link(value[0], int(value[1]))


def expanded(raw: Mapping[str, Any]) -> Graph:
    """The graph of an expansion, as GraphBuilder's `finalize` gives it: API-form nodes, with live values in them."""
    nodes = []
    for name, entry in raw.items():
        inputs = {
            str(key): link(value) if is_link(value) else from_pack(value)
            for key, value in (entry.get("inputs") or {}).items()
        }
        display = entry.get("override_display_id")
        nodes.append(Node(str(name), str(entry["class_type"]), inputs, display="" if display is None else str(display)))
    return Graph.of(nodes)
