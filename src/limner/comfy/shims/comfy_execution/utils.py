"""ComfyUI's `comfy_execution.utils`: which node is running."""

from __future__ import annotations

from typing import NamedTuple

from limner.comfy.shims.bridge import bridge_of

bridge = bridge_of(__name__)


class ExecutionContext(NamedTuple):
    """The node that is running; `list_index` is its place in a list of calls, from 0."""

    prompt_id: str
    node_id: str
    list_index: int | None


def get_executing_context() -> ExecutionContext | None:
    """None outside of a run."""
    call = bridge.call()
    return None if call is None else ExecutionContext(call.run, call.node, bridge.index())
