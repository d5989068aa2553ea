"""Nodes that take their time, and write down when: `times.txt` in the base folder, by the machine's clock."""

from __future__ import annotations

import os
import time
from typing import Any

import folder_paths  # type: ignore[import-not-found]  # it is there in hosts

NUMBER = ("INT", {"default": 0, "min": 0, "max": 2**60})


def write_down(*words: object) -> None:
    line = " ".join(map(str, (*words, os.getpid()))) + "\n"
    with open(os.path.join(folder_paths.base_path, "times.txt"), "a") as file:
        file.write(line)


class FleetSleep:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "measuring"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"number": NUMBER, "ms": NUMBER}}

    def run(self, number: int, ms: int) -> tuple[int]:
        begun, clock = time.monotonic(), time.time()
        time.sleep(ms / 1000)
        write_down("sleep", number, begun, time.monotonic(), clock)
        return (number,)


class FleetModel:
    """What stays where it was loaded."""


class FleetLoad:
    RETURN_TYPES = ("FLEET_MODEL",)
    FUNCTION = "run"
    CATEGORY = "measuring"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"name": (folder_paths.get_filename_list("checkpoints"),)}}

    def run(self, name: str) -> tuple[FleetModel]:
        time.sleep(1.5)
        write_down("load", name)
        return (FleetModel(),)


class FleetUse:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "measuring"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model": ("FLEET_MODEL",), "number": NUMBER, "ms": NUMBER}}

    def run(self, model: FleetModel, number: int, ms: int) -> tuple[int]:
        time.sleep(ms / 1000)
        return (number,)


NODE_CLASS_MAPPINGS = {node.__name__: node for node in (FleetSleep, FleetLoad, FleetUse)}
