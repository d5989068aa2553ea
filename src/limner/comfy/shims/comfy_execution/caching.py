"""ComfyUI's `comfy_execution.caching`: what its cache tells nodes apart by, as packs ask for it.

Limner's own cache has fingerprints of its own; these keys are for packs that compare prompts themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any


class Unhashable:
    """A value that equals nothing, itself included."""

    def __init__(self) -> None:
        self.value = math.nan


def to_hashable(obj: Any) -> Any:
    """Plain values as something that can be a key; anything else is `Unhashable`."""
    if obj is None or isinstance(obj, int | float | str | bool):
        return obj
    if isinstance(obj, Mapping):
        return frozenset((to_hashable(key), to_hashable(value)) for key, value in obj.items())
    if isinstance(obj, Sequence):
        return frozenset(enumerate(map(to_hashable, obj)))
    return Unhashable()


def include_unique_id_in_input(class_type: str) -> bool:
    """Whether a node type asks for its id, so that two nodes of it are never the same."""
    hidden = import_module("nodes").NODE_CLASS_MAPPINGS[class_type].INPUT_TYPES().get("hidden", {})
    return "UNIQUE_ID" in hidden.values()


class CacheKeySet:
    """Keys of a prompt's nodes."""

    def __init__(self, dynprompt: Any, node_ids: Iterable[str], is_changed_cache: Any) -> None:
        self.keys: dict[str, Any] = {}
        self.subcache_keys: dict[str, Any] = {}

    async def add_keys(self, node_ids: Iterable[str]) -> None:
        """Make the keys of these nodes."""
        raise NotImplementedError(f"{type(self).__name__} has no `add_keys`")

    def all_node_ids(self) -> set[str]:
        return set(self.keys)

    def get_used_keys(self) -> Iterable[Any]:
        return self.keys.values()

    def get_used_subcache_keys(self) -> Iterable[Any]:
        return self.subcache_keys.values()

    def get_data_key(self, node_id: str) -> Any:
        return self.keys.get(node_id)

    def get_subcache_key(self, node_id: str) -> Any:
        return self.subcache_keys.get(node_id)


class CacheKeySetInputSignature(CacheKeySet):
    """Keys of what a node is given: its type, its values, and the same of all that come before it."""

    def __init__(self, dynprompt: Any, node_ids: Iterable[str], is_changed_cache: Any) -> None:
        super().__init__(dynprompt, node_ids, is_changed_cache)
        self.dynprompt, self.is_changed_cache = dynprompt, is_changed_cache

    def include_node_id_in_input(self) -> bool:
        return False

    async def add_keys(self, node_ids: Iterable[str]) -> None:
        for node_id in node_ids:
            if node_id not in self.keys and self.dynprompt.has_node(node_id):
                self.keys[node_id] = await self.get_node_signature(self.dynprompt, node_id)
                self.subcache_keys[node_id] = (node_id, self.dynprompt.get_node(node_id)["class_type"])

    async def get_node_signature(self, dynprompt: Any, node_id: str) -> Any:
        """What tells a node with all before it from others."""
        ancestors, order = self.get_ordered_ancestry(dynprompt, node_id)
        return to_hashable(
            [await self.get_immediate_node_signature(dynprompt, each, order) for each in (node_id, *ancestors)]
        )

    async def get_immediate_node_signature(
        self, dynprompt: Any, node_id: str, ancestor_order_mapping: Mapping[str, int]
    ) -> list[Any]:
        """The same without what comes before it; links are numbers of the order."""
        if not dynprompt.has_node(node_id):
            return [math.nan]
        node = dynprompt.get_node(node_id)
        kind = node["class_type"]
        cls = import_module("nodes").NODE_CLASS_MAPPINGS[kind]
        signature = [kind, await self.is_changed_cache.get(node_id)]
        if self.include_node_id_in_input() or getattr(cls, "NOT_IDEMPOTENT", False) or include_unique_id_in_input(kind):
            signature.append(node_id)
        is_link = import_module("comfy_execution.graph_utils").is_link
        for name, value in sorted(node["inputs"].items()):
            linked = ("ANCESTOR", ancestor_order_mapping[value[0]], value[1]) if is_link(value) else value
            signature.append((name, linked))
        return signature

    def get_ordered_ancestry(self, dynprompt: Any, node_id: str) -> tuple[list[str], dict[str, int]]:
        """All that come before a node, in an order that its inputs alone decide, and the place of each."""
        is_link = import_module("comfy_execution.graph_utils").is_link
        order: dict[str, int] = {}
        waiting = [node_id]
        while waiting:
            current = waiting.pop()
            inputs = dynprompt.get_node(current)["inputs"] if dynprompt.has_node(current) else {}
            before = [value[0] for _, value in sorted(inputs.items()) if is_link(value)]
            fresh = [each for each in dict.fromkeys(before) if each not in order]
            order.update({each: len(order) + place for place, each in enumerate(fresh)})
            waiting += reversed(fresh)
        return list(order), order


class CacheKeySetID(CacheKeySet):
    """Keys that are the nodes' ids and types."""

    def __init__(self, dynprompt: Any, node_ids: Iterable[str], is_changed_cache: Any) -> None:
        super().__init__(dynprompt, node_ids, is_changed_cache)
        self.dynprompt = dynprompt

    async def add_keys(self, node_ids: Iterable[str]) -> None:
        for node_id in node_ids:
            if node_id not in self.keys and self.dynprompt.has_node(node_id):
                kind = self.dynprompt.get_node(node_id)["class_type"]
                self.keys[node_id] = self.subcache_keys[node_id] = (node_id, kind)
