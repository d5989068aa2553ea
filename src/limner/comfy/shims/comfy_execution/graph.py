"""ComfyUI's `comfy_execution.graph`: the prompt as running nodes see it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

_graph_utils: Any = import_module("comfy_execution.graph_utils")
ExecutionBlocker = _graph_utils.ExecutionBlocker
is_link = _graph_utils.is_link


class DependencyCycleError(Exception):
    """Nodes that depend on each other."""


class NodeInputError(Exception):
    """An input that cannot be used."""


class NodeNotFoundError(Exception):
    """A node that the prompt does not have."""


class DynamicPrompt:
    """A prompt with the nodes that expansions added."""

    def __init__(self, original_prompt: Mapping[str, Any]) -> None:
        self.original_prompt = original_prompt
        self.ephemeral_prompt: dict[str, Any] = {}
        self.ephemeral_parents: dict[str, str] = {}
        self.ephemeral_display: dict[str, str] = {}

    def get_node(self, node_id: str) -> Any:
        """Raises NodeNotFoundError."""
        for prompt in (self.ephemeral_prompt, self.original_prompt):
            if node_id in prompt:
                return prompt[node_id]
        raise NodeNotFoundError(f"there is no node {node_id}")

    def has_node(self, node_id: str) -> bool:
        return node_id in self.original_prompt or node_id in self.ephemeral_prompt

    def add_ephemeral_node(self, node_id: str, node_info: Any, parent_id: str, display_id: str) -> None:
        self.ephemeral_prompt[node_id] = node_info
        self.ephemeral_parents[node_id] = parent_id
        self.ephemeral_display[node_id] = display_id

    def get_real_node_id(self, node_id: str) -> str:
        """The node of the user's prompt that this one came of."""
        while node_id in self.ephemeral_parents:
            node_id = self.ephemeral_parents[node_id]
        return node_id

    def get_parent_node_id(self, node_id: str) -> str | None:
        return self.ephemeral_parents.get(node_id)

    def get_display_node_id(self, node_id: str) -> str:
        while node_id in self.ephemeral_display:
            node_id = self.ephemeral_display[node_id]
        return node_id

    def all_node_ids(self) -> set[str]:
        return set(self.original_prompt) | set(self.ephemeral_prompt)

    def get_original_prompt(self) -> Mapping[str, Any]:
        return self.original_prompt


def get_input_info(
    class_def: Any, input_name: str, valid_inputs: Mapping[str, Any] | None = None
) -> tuple[Any, str | None, Any]:
    """(type, section, options) of an input; three times None where the class has none of that name."""
    declared = valid_inputs or class_def.INPUT_TYPES()
    for section in ("required", "optional", "hidden"):
        if input_name in declared.get(section, {}):
            entry = declared[section][input_name]
            kind, options = (entry, {}) if isinstance(entry, str) else (entry[0], entry[1] if len(entry) > 1 else {})
            return kind, section, options
    return None, None, None
