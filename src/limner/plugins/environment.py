"""The Python environment of a pack that has a host of its own: made by uv, locked, on top of Limner's.

    wanted = Wanted(requirements=("numpy<2",), python="")
    environment = built(folder / "name", wanted, overlay_of_this_process())     # minutes at first, then milliseconds

Rules, stated once:

- What the pack requires is resolved as a whole, with Limner's own versions preferred. What comes out at the version
  that Limner has is not installed again: the pack's environment sees Limner's packages behind its own. Where the pack
  cannot do with Limner's versions, it gets its own of those, torch included.
- Another Python than Limner's sees none of Limner's packages, and gets its own of all that a host needs.
- The resolution is written down (`requirements.lock`), and taken again as long as the requirements are the same.
- An environment is built beside its place and put there when it is whole; a build that fails leaves the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from limner.files.leftovers import process_lives

LOCK = "requirements.lock"
DESCRIPTION = "limner.json"
BEHIND = "zz_limner.pth"
"""Puts Limner's packages behind the environment's own."""
NOT_FOR_HOSTS = frozenset({"comfyui-frontend-package", "comfyui-workflow-templates", "comfyui-embedded-docs", "uv"})
"""What Limner requires and a host does not."""
UV_MINUTES = 60


class EnvironmentProblem(RuntimeError):
    """An environment cannot be made; `remedy` says what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`requirements` as pip reads them; `python` a version or a specifier, empty for Limner's own."""

    requirements: tuple[str, ...] = ()
    python: str = ""


@dataclass(frozen=True, slots=True)
class Overlay:
    """The environment that packs' own lie on top of: Limner's."""

    python: Path
    version: str
    packages: tuple[Path, ...]
    """Its `site-packages`."""
    code: Path
    """The folder that `limner` is imported from."""
    versions: Mapping[str, str]
    """By name, as pip writes it."""
    needed: tuple[str, ...]
    """What a host requires."""


def overlay_of_this_process() -> Overlay:
    purelib, platlib = sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]
    return Overlay(
        python=Path(sys.executable),
        version=".".join(map(str, sys.version_info[:3])),
        packages=tuple(dict.fromkeys(Path(path) for path in (purelib, platlib, *site.getsitepackages()))),
        code=Path(__file__).resolve().parents[2],
        versions={canonicalize_name(dist.metadata["Name"]): dist.version for dist in metadata.distributions()},
        needed=tuple(line for line in metadata.requires("limner") or () if _for_hosts(line)),
    )


def _for_hosts(line: str) -> bool:
    requirement = Requirement(line)
    return "extra" not in str(requirement.marker) and canonicalize_name(requirement.name) not in NOT_FOR_HOSTS


def requirements_of(pack: Path) -> tuple[str, ...]:
    """What a pack requires, by its `requirements.txt`, or else by `[project]` in its `pyproject.toml`."""
    listed = requirements_in(pack / "requirements.txt")
    if listed or not pack.is_dir():
        return listed
    try:
        project = tomllib.loads((pack / "pyproject.toml").read_text("utf-8")).get("project")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return ()
    lines = project.get("dependencies") if isinstance(project, Mapping) else None
    return tuple(line for line in lines if isinstance(line, str)) if isinstance(lines, Sequence) else ()


def requirements_in(file: Path) -> tuple[str, ...]:
    """The lines of a `requirements.txt` that say what to install; comments and options are left out."""
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ()
    plain = (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
    return tuple(line for line in plain if line and not line.startswith("-"))


def interpreter(folder: Path) -> Path:
    """The Python of the environment in this folder."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_built(folder: Path, wanted: Wanted, overlay: Overlay, lock: str = "") -> bool:
    """Whether the environment there is what is wanted now, at the versions of the `lock` where there is one."""
    try:
        described = json.loads((folder / DESCRIPTION).read_bytes())
        there = (folder / LOCK).read_text("utf-8") if lock.strip() else lock
    except (OSError, ValueError):
        return False
    same = described == _description(wanted, overlay) and there.split() == lock.split()
    return bool(same and interpreter(folder).exists())


def built(folder: Path, wanted: Wanted, overlay: Overlay, lock: str = "") -> Path:
    """The Python of the environment in this folder, which is made first where it is not what is wanted.

    `lock` holds exact versions (`name==1.0` a line) to take in place of a new resolution. Blocks for as long as uv
    takes. Raises EnvironmentProblem.
    """
    if is_built(folder, wanted, overlay, lock):
        return interpreter(folder)
    shares = _shares(wanted.python, overlay)
    known = lock if lock.strip() else _locked(folder, wanted)
    building = folder.with_name(f".{folder.name}.building-{os.getpid()}")
    _clear(folder)
    try:
        building.parent.mkdir(parents=True, exist_ok=True)
        python = str(overlay.python) if shares else wanted.python
        run_uv(["venv", "--quiet", "--relocatable", "--python", python, str(building)], "it wants Python " + python)
        pins = known or resolved(wanted, overlay, interpreter(building), shares=shares)
        (building / LOCK).write_text(pins)
        _install(pins, overlay, interpreter(building), shares=shares)
        lay_over(building, overlay, shares=shares)
        (building / DESCRIPTION).write_text(json.dumps(_description(wanted, overlay)))
        _put(building, folder)
    except OSError as error:
        raise EnvironmentProblem(f"its environment cannot be written: {error}", f"Make {folder} writable") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return interpreter(folder)


def resolved(wanted: Wanted, overlay: Overlay, python: Path, *, shares: bool) -> str:
    """What is to be there for these requirements, as lines of exact versions. Raises EnvironmentProblem."""
    lines = [*wanted.requirements, *(() if shares else overlay.needed)]
    if not lines:
        return ""
    for line in wanted.requirements:
        _check(line)
    if shares:
        pins = [f"{name}=={version.split('+')[0]}" for name, version in sorted(overlay.versions.items())]
        try:
            return compiled(lines, pins, python)
        except EnvironmentProblem:
            pass  # it cannot do with our versions: it gets its own
    return compiled(lines, [], python)


def install_into(folder: Path, pins: Sequence[str], python: Path) -> None:
    """Install these, without what they require, into a folder that this Python can be told of. EnvironmentProblem."""
    command = ["pip", "install", "--quiet", "--no-deps", "--python", str(python), "--target", str(folder), "-r", "-"]
    run_uv(command, "it cannot be installed", text="\n".join(pins))


def pins_for(wanted: Wanted, overlay: Overlay) -> str:
    """What an environment for this would hold, as lines of exact versions. Raises EnvironmentProblem."""
    shares = _shares(wanted.python, overlay)
    return resolved(wanted, overlay, overlay.python if shares else Path(wanted.python), shares=shares)


def _check(line: str) -> None:
    """Raises EnvironmentProblem for what is no requirement; places (URLs, paths) are uv's business."""
    if "://" in line or line.startswith((".", "/")):
        return
    try:
        Requirement(line)
    except InvalidRequirement as error:
        raise EnvironmentProblem(f"{line!r} is no requirement: {error}", "Mend the pack's requirements") from error


def compiled(lines: Sequence[str], constraints: Sequence[str], python: Path) -> str:
    """Exact versions for these requirements, one a line, within the constraints. Raises EnvironmentProblem."""
    command = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", str(python), "-"]
    with tempfile.TemporaryDirectory(prefix="limner-") as folder:
        if constraints:
            file = Path(folder) / "constraints.txt"
            file.write_text("\n".join(constraints))
            command += ["--constraint", str(file)]
        return run_uv(command, "its requirements cannot be resolved", text="\n".join(lines))


def _install(pins: str, overlay: Overlay, python: Path, *, shares: bool) -> None:
    """Install what Limner does not have at this very version."""
    lines = [line for line in pins.splitlines() if line.strip() and not (shares and has(overlay, line))]
    if lines:
        command = ["pip", "install", "--quiet", "--no-deps", "--python", str(python), "-r", "-"]
        run_uv(command, "its requirements cannot be installed", text="\n".join(lines))


def has(overlay: Overlay, pin: str) -> bool:
    """Whether what lies below is at this exact version."""
    name, _, version = pin.partition(";")[0].strip().partition("==")
    own = overlay.versions.get(canonicalize_name(name.partition("[")[0]))
    return bool(version) and own is not None and own.split("+")[0] == version.split("+")[0]


def lay_over(folder: Path, overlay: Overlay, *, shares: bool) -> None:
    """Let the environment see Limner, and its packages behind its own where they fit its Python."""
    behind = [f"import site; site.addsitedir({str(path)!r})" for path in overlay.packages] if shares else []
    for packages in folder.glob("lib/python*/site-packages"):
        (packages / BEHIND).write_text("\n".join([str(overlay.code), *behind]) + "\n")
    for packages in folder.glob("Lib/site-packages"):
        (packages / BEHIND).write_text("\n".join([str(overlay.code), *behind]) + "\n")


def _clear(folder: Path) -> None:
    """Delete what processes that were killed have left beside it: half an environment, which may be large."""
    for left in folder.parent.glob(f".{folder.name}.*-*"):
        maker = left.name.rpartition("-")[2]
        if maker.isdigit() and (int(maker) == os.getpid() or not process_lives(int(maker))):
            shutil.rmtree(left, ignore_errors=True)


def _put(building: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    if folder.exists():
        folder.rename(old)
    building.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _shares(python: str, overlay: Overlay) -> bool:
    """Whether the wanted Python is one that can load Limner's packages. Raises EnvironmentProblem."""
    if not python:
        return True
    specifier = python if re.match(r"[<>=!~]", python) else f"=={python}.*" if python.count(".") < 2 else f"=={python}"
    try:
        return Version(overlay.version) in SpecifierSet(specifier)
    except InvalidSpecifier as error:
        raise EnvironmentProblem(f"{python!r} is no version of Python", "Write 3.12, or >=3.11") from error


def _description(wanted: Wanted, overlay: Overlay) -> dict[str, object]:
    versions = json.dumps(sorted(overlay.versions.items())).encode()
    return {
        "requirements": list(wanted.requirements),
        "python": wanted.python,
        "limner": {"python": overlay.version, "packages": hashlib.sha256(versions).hexdigest()[:16]},
        "code": str(overlay.code),
    }


def _locked(folder: Path, wanted: Wanted) -> str:
    """What was resolved for these requirements before, though Limner's own packages have changed since."""
    try:
        described = json.loads((folder / DESCRIPTION).read_bytes())
        if described.get("requirements") == list(wanted.requirements) and described.get("python") == wanted.python:
            return (folder / LOCK).read_text()
    except (OSError, ValueError, AttributeError):
        pass
    return ""


def run_uv(
    arguments: Sequence[str], problem: str, *, text: str = "", environment: Mapping[str, str] | None = None
) -> str:
    """What uv prints. Raises EnvironmentProblem with its own words."""
    from uv import find_uv_bin

    try:
        done = subprocess.run(
            [find_uv_bin(), *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=UV_MINUTES * 60,
            env={**os.environ, "UV_NO_PROGRESS": "1", **(environment or {})},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentProblem(f"uv could not run: {error}", "Install Limner's requirements again") from error
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"uv ended with status {done.returncode}"
        raise EnvironmentProblem(f"{problem}: {words}", "See what its requirements ask for, and whether it can be had")
    return done.stdout
