"""Hidden inputs: what PROMPT, EXTRA_PNGINFO, UNIQUE_ID, DYNPROMPT and the tokens stand for in a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limner.plugins.context import CallContext
from limner.sdk import NodeContext

OF_RUN: Mapping[str, str] = {
    "EXTRA_PNGINFO": "extra_pnginfo",
    "AUTH_TOKEN_COMFY_ORG": "auth_token_comfy_org",
    "API_KEY_COMFY_ORG": "api_key_comfy_org",
}
EXPANDED = "comfy.expanded"
"""Where a run's memory keeps the nodes that its expansions have added: id -> (node, parent, display)."""


def hidden_value(kind: str, context: NodeContext) -> tuple[bool, object]:
    """Whether there is such a hidden input, and its value in this call."""
    if kind == "UNIQUE_ID":
        return True, context.node
    if kind == "PROMPT":
        return True, context.hidden.get("prompt", {})
    if kind == "DYNPROMPT":
        return True, DynamicPrompt(context)
    if kind in OF_RUN:
        return True, context.hidden.get(OF_RUN[kind])
    return False, None


def remember_expansion(raw: Mapping[str, Any], context: NodeContext) -> None:
    """Later calls of the run find these nodes in their DYNPROMPT."""
    if not isinstance(context, CallContext):
        return
    known: dict[str, tuple[Any, str, str]] = context.memory.setdefault(EXPANDED, {})
    for name, entry in raw.items():
        known[name] = (entry, context.node, entry.get("override_display_id", context.node))


class DynamicPrompt:
    """The workflow of a run with the nodes that were added to it, as packs that build loops look at it."""

    def __init__(self, context: NodeContext) -> None:
        prompt = context.hidden.get("prompt")
        self.original_prompt: Mapping[str, Any] = prompt if isinstance(prompt, Mapping) else {}
        memory = context.memory if isinstance(context, CallContext) else {}
        self._expanded: Mapping[str, tuple[Any, str, str]] = memory.get(EXPANDED, {})

    def get_node(self, node_id: str) -> Any:
        """The node in API form. Raises KeyError."""
        if node_id in self._expanded:
            return self._expanded[node_id][0]
        if node_id in self.original_prompt:
            return self.original_prompt[node_id]
        raise KeyError(f"Node {node_id} not found")

    def has_node(self, node_id: str) -> bool:
        return node_id in self._expanded or node_id in self.original_prompt

    def get_parent_node_id(self, node_id: str) -> str | None:
        """The node whose expansion added this one; None for a node of the user's."""
        return self._expanded[node_id][1] if node_id in self._expanded else None

    def get_real_node_id(self, node_id: str) -> str:
        """The node of the user's that this one belongs to."""
        while node_id in self._expanded:
            node_id = self._expanded[node_id][1]
        return node_id

    def get_display_node_id(self, node_id: str) -> str:
        """The node that progress is shown on."""
        while node_id in self._expanded and self._expanded[node_id][2] != node_id:
            node_id = self._expanded[node_id][2]
        return node_id

    def all_node_ids(self) -> set[str]:
        return {*self.original_prompt, *self._expanded}

    def get_original_prompt(self) -> Mapping[str, Any]:
        return self.original_prompt
