"""ComfyUI's `execution`: its engine, which Limner's stands in for.

Packs replace methods of `PromptExecutor` to see every run; those replacements are kept and never called.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

_graph: Any = import_module("comfy_execution.graph")
ExecutionBlocker, DynamicPrompt, get_input_info = _graph.ExecutionBlocker, _graph.DynamicPrompt, _graph.get_input_info


class PromptExecutor:
    """The engine as packs patch it."""

    def __init__(self, server: Any = None, cache_type: Any = False, cache_args: Any = None) -> None:
        self.server = server
        self.success = True
        self.history_result: dict[str, Any] = {}
        self.status_messages: list[Any] = []
        self.caches: Any = None

    def reset(self) -> None:
        """Forget the messages."""
        self.status_messages = []

    def add_message(self, event: str, data: Any, broadcast: bool) -> None:
        self.status_messages.append((event, data))

    def handle_execution_error(
        self, prompt_id: str, prompt: Any, current_outputs: Any, executed: Any, error: Any, ex: Any
    ) -> None:
        self.add_message("execution_error", {"prompt_id": prompt_id, **(error or {})}, broadcast=False)

    def execute(self, prompt: Any, prompt_id: str, extra_data: Any = None, execute_outputs: Any = None) -> None:
        raise RuntimeError("prompts are queued by POST /prompt; a pack cannot run the engine from inside a host")


class PromptQueue:
    """The queue as packs annotate it; what is in it is asked of the server (`GET /queue`)."""


async def _async_map_node_over_list(
    prompt_id: str,
    unique_id: str,
    obj: Any,
    input_data_all: Mapping[str, Sequence[Any]],
    func: str,
    allow_interrupt: bool = False,
    execution_block_cb: Callable[[Any], Any] | None = None,
    pre_execute_cb: Callable[[int], None] | None = None,
    hidden_inputs: Any = None,
) -> list[Any]:
    """A node's method for each set of inputs, the last of a shorter list repeated; packs run others' nodes by it.

    A blocker among the inputs is the result of its call; coroutines come back as tasks.
    """
    whole = bool(getattr(obj, "INPUT_IS_LIST", False))
    count = 1 if whole or not input_data_all else max(map(len, input_data_all.values()))
    results: list[Any] = []
    for index in range(count):
        given = (
            dict(input_data_all)
            if whole
            else {key: list(v)[min(index, len(v) - 1)] for key, v in input_data_all.items()}
        )
        if allow_interrupt:
            import_module("nodes").before_node_execution()
        values = (each for value in given.values() for each in (value if whole else (value,)))
        block = next((value for value in values if isinstance(value, ExecutionBlocker)), None)
        if block is not None:
            results.append(execution_block_cb(block) if execution_block_cb else block)
            continue
        if pre_execute_cb is not None:
            pre_execute_cb(index)
        made = getattr(obj, func)(**given)
        results.append(asyncio.ensure_future(made) if inspect.isawaitable(made) else made)
        await asyncio.sleep(0)
    return results


async def resolve_map_node_over_list_results(results: Sequence[Any]) -> list[Any]:
    """Those of coroutines, awaited."""
    return [await result if isinstance(result, asyncio.Future) else result for result in results]
