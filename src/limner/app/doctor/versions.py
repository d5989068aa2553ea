"""Limner, Python, and the packages that Limner needs: there, and of versions that it works with."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from limner import __version__

from .finding import Finding, failed, noted, warned, well

SHOWN = ("torch", "diffusers", "transformers", "comfyui-frontend-package")
"""Packages whose versions are told though they are well."""
EXTRAS = {"ray": "cluster", "opentelemetry-sdk": "otel"}
LEAST_MEMORY = 4 * 2**30
LEAST_FILES = 1024
GIB = 2**30


def findings(base: Path) -> Iterator[Finding]:
    yield well("Limner", f"{__version__}, base directory {base}")
    yield _python()
    yield from _packages()
    yield from _tools()
    yield from _machine()


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.prefix == sys.base_prefix:
        remedy = (
            "Packages of packs and of other programs may clash: install Limner into an environment (python -m venv)"
        )
        return noted("Python", f"{found}, not in an environment of its own", remedy)
    return well("Python", f"{found}, in {sys.prefix}")


def _packages() -> Iterator[Finding]:
    wrong = list(_unmet("limner"))
    yield from wrong
    found = [f"{name} {there}" for name in SHOWN if (there := _version(name))]
    if not wrong:
        yield well("packages", f"all that Limner needs are there: {', '.join(found)}")
    extras = [f"{name} {there}" for name in EXTRAS if (there := _version(name))]
    if extras:
        yield well("extras", ", ".join(extras))


def _unmet(package: str) -> Iterator[Finding]:
    for line in requires(package) or ():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        there = _version(wanted.name)
        remedy = f"pip install '{wanted.name}{wanted.specifier}'"
        if not there:
            yield failed(wanted.name, "is not installed", remedy)
        elif not wanted.specifier.contains(there, prereleases=True):
            yield warned(wanted.name, f"{there} is installed, and Limner needs {wanted.specifier}", remedy)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _tools() -> Iterator[Finding]:
    git = shutil.which("git")
    if git is None:
        remedy = "Install git (apt install git), or install packs from archives and folders"
        yield noted("git", "is not there, so no pack comes from a repository", remedy)
    else:
        yield well("git", git)


def _machine() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    told = f"{memory.total / GIB:.1f} GB, {memory.available / GIB:.1f} GB of it free"
    if memory.total < LEAST_MEMORY:
        remedy = "Larger models will not fit; keep fewer results with --cache-memory"
        yield noted("memory", told, remedy)
    else:
        yield well("memory", told)
    if sys.platform != "win32":
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= soft < LEAST_FILES:
            yield warned("open files", f"at most {soft}, so few clients can be connected", "Raise it: ulimit -n 65536")
