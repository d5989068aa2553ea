"""A pack with a host of its own (its `limner.toml`), to measure what crosses to it and back."""

from __future__ import annotations

from typing import Any


class OwnAdd:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "measuring"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        number = ("INT", {"default": 0, "min": -(2**60), "max": 2**60})
        return {"required": {"a": number, "b": number}}

    def run(self, a: int, b: int) -> tuple[int]:
        return (a + b,)


NODE_CLASS_MAPPINGS = {"OwnAdd": OwnAdd}
