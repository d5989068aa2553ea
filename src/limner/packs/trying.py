"""What a pack requires, brought for a check alone: nothing of it stays."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from limner.comfy.manifest import read_manifest
from limner.comfy.packs_imports import pack_name
from limner.plugins.environment import EnvironmentProblem, Wanted, built, install_into, overlay_of_this_process

from .errors import Clash
from .installing import isolated_by_itself
from .requirements import REMEDY, resolve, wanted_by


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pack is imported with: a folder of packages, and a Python."""

    packages: Path | None = None
    python: Path = Path(sys.executable)


@contextmanager
def surroundings_for(pack: Path) -> Iterator[Surroundings]:
    """As an installation would make them, until the context ends. Raises PackProblem where they cannot be had."""
    lines = wanted_by(pack)
    with tempfile.TemporaryDirectory(prefix="limner-check-") as folder:
        place = Path(folder) / "packages"
        try:
            if isolated_by_itself(pack):
                python = built(place, Wanted(tuple(lines), read_manifest(pack).python), overlay_of_this_process())
                yield Surroundings(python=python)
                return
            pins = resolve({pack_name(pack): lines})
            if pins:
                install_into(place, pins, Path(sys.executable))
        except EnvironmentProblem as error:
            raise Clash(f"the requirements of {pack_name(pack)} cannot be met: {error}", REMEDY) from error
        yield Surroundings(packages=place if pins else None)
