"""Stands before the real pip in hosts. Nothing of Limner is imported where another Python runs this."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Do what pip does; gives the exit status."""
    arguments = list(sys.argv[1:] if args is None else args)
    if os.environ.get("LIMNER_PIP_PREFIX") != sys.prefix:
        return real(arguments)
    return subprocess.call([sys.executable, "-m", "limner.packs.installers.command", *arguments])


def real(arguments: Sequence[str]) -> int:
    """The pip that is installed."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = os.pathsep.join(entry for entry in entries if entry and os.path.abspath(entry) != folder)
    return subprocess.call([sys.executable, "-m", "pip", *arguments], env={**os.environ, "PYTHONPATH": kept})
