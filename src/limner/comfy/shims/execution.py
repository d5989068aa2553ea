"""ComfyUI's `execution`: its engine, which Limner's stands in for.

Packs replace methods of `PromptExecutor` to see every run; those replacements are kept and never called.
"""

from __future__ import annotations

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
