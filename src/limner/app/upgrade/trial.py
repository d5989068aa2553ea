"""The new version in an environment of its own, over this one.

Rules, stated once:

- What the new version requires and this environment has at a version that does, it has from here. What else it requires
  is resolved with the versions that are here preferred, so that as little as can be becomes another.
- The switch installs what the trial installed, and nothing else: what is checked is what will run.
- The trial is made anew each time; the one before is deleted.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from limner.plugins.environment import (
    EnvironmentProblem,
    Overlay,
    has,
    interpreter,
    lay_over,
    overlay_of_this_process,
    run_uv,
)

from .problems import UpgradeProblem

NAME = "limner"
ARCHIVES = (".whl", ".gz", ".zip")
BACKENDS = re.compile(r"cpu|cu\d+|rocm[\d.]+|xpu")
"""Variants of torch, as they stand behind the `+` of its version."""


@dataclass(frozen=True, slots=True)
class Trial:
    """`pins` are the packages, beside Limner itself, that differ from this environment's."""

    python: Path
    version: str
    source: str
    digest: str
    """Of the source's content, where it is a file."""
    pins: tuple[str, ...]


def requirement(source: str) -> str:
    """The source as pip writes it: a version, a wheel or an archive, a folder, a URL. Raises UpgradeProblem."""
    path = Path(source).expanduser()
    if path.exists() and ("/" in source or path.suffix in ARCHIVES or source in (".", "..")):
        return f"{NAME} @ {path.absolute().as_uri()}"
    if "://" in source:
        return f"{NAME} @ {source}"
    try:
        return f"{NAME}=={Version(source)}"
    except InvalidVersion:
        remedy = "Give a version such as 0.2.0, a wheel, the folder of a checkout, or git+https://..."
        raise UpgradeProblem(f"{source!r} is no version, and there is no such file or folder", remedy) from None


def digest_of(source: str) -> str:
    """Of a wheel or an archive; empty for what is no file."""
    path = Path(source).expanduser()
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def trial(folder: Path, source: str) -> Trial:
    """Install the source in the folder, over this environment. Minutes, where it has to download. UpgradeProblem."""
    wanted, overlay = requirement(source), overlay_of_this_process()
    shutil.rmtree(folder, ignore_errors=True)
    python = interpreter(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        run_uv(["venv", "--quiet", "--python", str(overlay.python), str(folder)], "no environment can be made")
        install(python, [wanted], "that version cannot be installed")
        new = _installed(folder)
        pins = tuple(line for line in _resolved(new, overlay, python) if not has(overlay, line))
        install(python, pins, f"what limner {new.version} requires cannot be installed", overlay.versions)
        lay_over(folder, overlay, shares=True)
    except EnvironmentProblem as error:
        raise UpgradeProblem(str(error), "See what it says; nothing has been changed") from error
    except OSError as error:
        raise UpgradeProblem(
            f"{folder} cannot be written: {error.strerror}", "Make it writable, or free space"
        ) from error
    return Trial(python, new.version, source, digest_of(source), pins)


def install(python: Path, lines: Sequence[str], problem: str, versions: Mapping[str, str] | None = None) -> None:
    """Install exactly these, without what they require. Raises EnvironmentProblem.

    `versions` are those of this environment, and tell which variant of torch it has.
    """
    if not lines:
        return
    command = ["pip", "install", "--quiet", "--no-deps", "--reinstall-package", NAME, "--python", str(python)]
    variant = (versions or {}).get("torch", "").partition("+")[2]
    if BACKENDS.fullmatch(variant) and any(line.startswith("torch") for line in lines):
        command += ["--torch-backend", variant]
    run_uv([*command, "-r", "-"], problem, text="\n".join(lines))


def _installed(folder: Path) -> Distribution:
    paths = [str(path) for path in (*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages"))]
    for found in distributions(name=NAME, path=paths):
        return found
    raise UpgradeProblem("that source holds no limner", "Give a version, a wheel or a folder of Limner's")


def _resolved(new: Distribution, overlay: Overlay, python: Path) -> list[str]:
    """Exact versions of what the new version requires; none where this environment has it all. EnvironmentProblem."""
    lines = list(_required(new, overlay))
    if all(_is_met(line, overlay.versions) for line in lines):
        return []
    preferred = python.parent.parent / "preferred.txt"
    others = {name: version for name, version in overlay.versions.items() if name != NAME}
    preferred.write_text("\n".join(f"{name}=={version.split('+')[0]}" for name, version in sorted(others.items())))
    command = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", str(python), "-"]
    told = "what that version requires cannot be resolved"
    run_uv([*command, "--output-file", str(preferred)], told, text="\n".join(lines))
    return [line for line in map(str.strip, preferred.read_text().splitlines()) if line and not line.startswith("#")]


def _required(new: Distribution, overlay: Overlay) -> Iterable[str]:
    """Its requirements, and those of extras that are in use here."""
    extras = [extra for extra in new.metadata.get_all("Provides-Extra") or () if _in_use(extra)]
    for line in new.requires or ():
        said = Requirement(line)
        if said.marker is None or any(said.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            said.marker = None
            yield str(said)


def _in_use(extra: str) -> bool:
    """Whether everything is here that the extra of the version at work asks for."""
    for own in distributions(name=NAME):
        asked = [Requirement(line) for line in own.requires or ()]
        own_extra = [each for each in asked if each.marker and not each.marker.evaluate({"extra": ""})]
        named = [each for each in own_extra if each.marker and each.marker.evaluate({"extra": extra})]
        versions: dict[str, str] = {canonicalize_name(each.metadata["Name"]): each.version for each in distributions()}
        return bool(named) and all(_is_met(f"{each.name}{each.specifier}", versions) for each in named)
    return False


def _is_met(line: str, versions: Mapping[str, str]) -> bool:
    try:
        said = Requirement(line)
    except InvalidRequirement:
        return False
    there = versions.get(canonicalize_name(said.name))
    return there is not None and not said.url and said.specifier.contains(there, prereleases=True)


def remove(folder: Path) -> None:
    """Delete a trial."""
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        raise UpgradeProblem(f"{folder} cannot be deleted", "Delete it by yourself")
