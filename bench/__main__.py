"""`python -m bench [SUBJECT]...`: measure and print; all subjects if none is named."""

from __future__ import annotations

import importlib
import os
import platform
import sys

from rich.console import Console

from limner.app.threads import wait_asleep

from .report import show

SUBJECTS = ("server", "answers", "packs", "queue", "crowd", "engine", "isolation", "fleet", "client", "diffusion")


def main(subjects: list[str]) -> int:
    unknown = [name for name in subjects if name not in SUBJECTS]
    if unknown:
        print(f"there is no subject {unknown[0]!r}; there are: {', '.join(SUBJECTS)}", file=sys.stderr)
        return 2
    wait_asleep()
    console = Console(highlight=False, soft_wrap=True, width=140)
    load = os.getloadavg()[0]
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} at the start\n")
    for name in subjects or SUBJECTS:
        show(console, name, list(importlib.import_module(f"bench.{name}").figures()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
