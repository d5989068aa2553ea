"""Sixty packs: how long their import takes, and how soon a server has their nodes while its host still imports them."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .answers import browser, ready
from .many import text
from .processes import Measured, server
from .report import Figure

PACKS, NODES = 60, 3090
TURNS, BOUND = 20, 50
HOLD = "LIMNER_BENCH_HOLD"
"""Seconds for which the last pack waits in its import, so that the host still loads while the server is asked."""
HELD = 60
BEGIN = f"""
import os, time
time.sleep(float(os.environ.get("{HOLD}", "0")) if __file__.endswith("{PACKS - 1:02}/__init__.py") else 0)
NODE_CLASS_MAPPINGS = {{}}
"""
NODE = """
class {name}:
    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "run"
    CATEGORY = "{words[0]}"
    DESCRIPTION = "{words[1]}"

    @classmethod
    def INPUT_TYPES(cls):
        return {{
            "required": {{
                "image": ("IMAGE", {{"tooltip": "{words[2]}"}}),
                "mode": (["nearest", "bilinear", "bicubic", "area", "{words[0]}"], {{"default": "area"}}),
                "width": ("INT", {{"default": 512, "min": 64, "max": 8192, "step": 8, "tooltip": "{words[3]}"}}),
                "strength": ("FLOAT", {{"default": 1.0, "min": 0.0, "max": 10.0, "step": 0.01}}),
                "text": ("STRING", {{"default": "", "multiline": True, "tooltip": "{words[4]}"}}),
            }},
            "optional": {{"mask": ("MASK",), "seed": ("INT", {{"default": 0, "min": 0, "max": 2**64 - 1}})}},
            "hidden": {{"unique_id": "UNIQUE_ID"}},
        }}

    def run(self, image, **more):
        return (image, None)

NODE_CLASS_MAPPINGS["{name}"] = {name}
"""
PLAIN = """
import importlib, json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
taken = []
for path in sorted(Path(sys.argv[1]).glob("pack_*")):
    started = time.perf_counter()
    importlib.import_module(path.name)
    taken.append(time.perf_counter() - started)
print(json.dumps(taken))
"""
OURS = """
import json, sys
from pathlib import Path
import torch
from limner.comfy.packs import load_packs
from limner.comfy.shims import Bridge, install
from limner.files import Folders
from limner.nodes.library import built_in
from limner.plugins.services import Services
bridge = Bridge(Folders.under(Path(sys.argv[1]).parent), Services(), built_in())
install(bridge)
packs = load_packs([Path(sys.argv[1])], bridge)
print(json.dumps([pack.seconds for pack in packs if pack.nodes and not pack.problems]))
"""


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="limner-bench-") as base:
        folder = Path(base) / "custom_nodes"
        write_packs(folder)
        ours, plain = imported(OURS, folder), imported(PLAIN, folder)
        alone = "the modules alone"
        yield Figure(f"import of {PACKS} packs, {NODES:,} nodes", sum(ours), "s", sum(plain), alone)
        yield Figure(
            "a pack's import, median", *(statistics.median(ours) * 1000, "ms", statistics.median(plain) * 1000, alone)
        )
        yield Figure("a pack's import, longest", max(ours) * 1000, "ms", max(plain) * 1000, alone)
        yield from while_it_imports(base)


def write_packs(folder: Path) -> None:
    """Packs of nodes that say as much of themselves as those of people do, no two alike."""
    chance = random.Random(0)
    for pack in range(PACKS):
        count = NODES // PACKS + (pack < NODES % PACKS)
        nodes = [
            NODE.format(name=f"Pack{pack}Node{number}", words=[text(chance, length) for length in (1, 20, 8, 10, 12)])
            for number in range(count)
        ]
        (folder / f"pack_{pack:02}").mkdir(parents=True)
        (folder / f"pack_{pack:02}" / "__init__.py").write_text(BEGIN + "".join(nodes))


def imported(program: str, folder: Path) -> list[float]:
    """Seconds of each pack's import in a process of its own, the second time: compiled, and in the system's memory."""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program, str(folder)], check=True, capture_output=True, text=True)
    taken: list[float] = json.loads(done.stdout.splitlines()[-1])
    if len(taken) != PACKS:
        raise RuntimeError(f"{len(taken)} packs of {PACKS} were imported")
    return taken


def while_it_imports(base: str) -> Iterator[Figure]:
    """The second start, whose host is kept from being ready, asked as a browser asks."""
    given = ["--port", "0", "--base-directory", base, "--cpu"]
    command = ["env", f"XDG_CACHE_HOME={base}/cache", sys.executable, "-m", "limner.cli", "serve", *given]
    with server(command) as first:
        ready(first)
    command.insert(1, f"{HOLD}={HELD}")
    with server(command) as ours, browser(ours.url) as asks:
        once, size, _ = asks.ask("/object_info")
        start = time.monotonic() - ours.started
        again = statistics.median(asks.ask("/object_info")[0] for _ in range(TURNS))
        least = statistics.median(asks.ask("/healthz")[0] for _ in range(TURNS))
        entries = json.loads(ours.ask("/object_info"))
        if sum(name.startswith("Pack") for name in entries) != NODES or is_ready(ours):
            raise RuntimeError("nodes are missing, or the host was ready by then")
    name = f"{NODES:,} nodes and ours while the host imports"
    yield Figure(f"{name}: the first answer", once, "ms", least, "GET /healthz", bound=BOUND)
    yield Figure(f"{name}: further ones", again, "ms", least, "GET /healthz", bound=BOUND)
    yield Figure("start of that server to the answer", start, "s")
    yield Figure("size of the answer, compressed", size / 1000, "kB")


def is_ready(ours: Measured) -> bool:
    try:
        return bool(ours.ask("/readyz"))
    except OSError:
        return False
