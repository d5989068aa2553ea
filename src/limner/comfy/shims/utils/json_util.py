"""ComfyUI's `utils.json_util`."""

from __future__ import annotations

from typing import Any


def merge_json_recursive(base: Any, update: Any) -> Any:
    """`update` laid over `base`: objects are merged by key, arrays joined, anything else replaced."""
    if isinstance(base, dict) and isinstance(update, dict):
        for key, value in update.items():
            base[key] = merge_json_recursive(base[key], value) if key in base else value
        return base
    if isinstance(base, list) and isinstance(update, list):
        return base + update
    return update
