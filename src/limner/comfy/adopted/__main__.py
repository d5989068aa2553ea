"""The host of an adopted ComfyUI: `python -m limner.comfy.adopted ADOPTION`, as JSON; run by that ComfyUI's Python."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from limner.plugins.host import HostCore
from limner.plugins.lanes import Lanes
from limner.plugins.library import Library
from limner.plugins.serve import serve
from limner.plugins.services import Services
from limner.stores.journal import Journal
from limner.telemetry.marks import mark_output


def main() -> int:
    given = json.loads(sys.argv[1])
    mark_output()

    def build(loading: Callable[[str], None]) -> HostCore:
        from .modules import begin
        from .nodes import implementations, list_folders
        from .surroundings import answer_from_calls
        from .topics import Topics

        known = frozenset(given["kinds"])
        comfy = begin(
            Path(given["path"]),
            given["arguments"],
            skipped=given["skipped"],
            loading=loading,
            before_nodes=lambda: list_folders(importlib.import_module("folder_paths"), known),
        )
        nodes, problems = implementations(comfy)
        torch = importlib.import_module("torch")
        notes = Journal(Path(given["jobs"]), Path(given["shared"]) if given["shared"] else None)
        core = HostCore(
            Library(nodes, [*comfy.problems, *problems]),
            Services(),
            lanes=Lanes(guard=torch.inference_mode, device_thread=False),
            handlers=Topics(comfy).handlers,
            notes=notes,
        )
        answer_from_calls(comfy.management, comfy.server, core.say)
        return core

    return serve(build)


if __name__ == "__main__":
    sys.exit(main())
