"""A pack of ComfyUI nodes that do no work, to measure what is around them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

NUMBER = ("INT", {"default": 0, "min": -(2**60), "max": 2**60})


class Node:
    RETURN_TYPES: tuple[str, ...] = ("INT",)
    FUNCTION = "run"
    CATEGORY = "measuring"
    TAKES: tuple[str, ...] = ("a", "b")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": dict.fromkeys(cls.TAKES, NUMBER)}


class MeasuredAdd(Node):
    def run(self, a: int, b: int) -> tuple[int]:
        return (a + b,)


class MeasuredSleep(Node):
    """Sleeps in the cpu lane for `b` milliseconds."""

    LANE = "cpu"

    def run(self, a: int, b: int) -> tuple[int]:
        time.sleep(b / 1000)
        return (a,)


class MeasuredCoroutine(Node):
    async def run(self, a: int, b: int) -> tuple[int]:
        await asyncio.sleep(b / 1000)
        return (a,)


class MeasuredHold(Node):
    """Keeps the device until the run is interrupted."""

    def run(self, a: int, b: int) -> tuple[int]:
        while True:
            time.sleep(0.1)


class MeasuredShow(Node):
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    TAKES = ("a",)

    def run(self, a: int) -> dict[str, Any]:
        return {"ui": {"value": [a]}}


NODE_CLASS_MAPPINGS = {
    cls.__name__: cls for cls in (MeasuredAdd, MeasuredSleep, MeasuredCoroutine, MeasuredHold, MeasuredShow)
}
