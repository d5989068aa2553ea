"""What a pack in a host of its own may touch, from the permissions that it declares; the system holds it to that.

Rules, stated once:

- It may read the system's programs and libraries, Python's and Limner's code, its own folder, models and inputs.
- It may write in its own folder, in that of its environment, in the temporary folder, and below `folders`: names of
  Limner's folders (`output`, `models`, `loras`, ...), or paths, relative ones from the base directory.
- Without `network` it has no connection to anywhere; without `subprocess` it starts no other program.
- What this system cannot enforce is said in the log, and does not keep the pack from working.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from limner.comfy.manifest import Permissions
from limner.files import Folders, UnknownFolder
from limner.plugins import landlock, seccomp
from limner.plugins.shared import FOLDER_VARIABLE, MEMORY
from limner.settings import Settings

from .folders import folders_of
from .role import Role

log = logging.getLogger(__name__)

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/sys", "/run/systemd/resolve")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "dri", "kfd", "nvidia*")


def environment(private: Path) -> dict[str, str]:
    """Where a pack's libraries put what they keep: into its own folder."""
    cache = str(private / "cache")
    return {
        "TMPDIR": str(private / "tmp"),
        "XDG_CACHE_HOME": cache,
        "HF_HOME": f"{cache}/huggingface",
        "TORCH_HOME": f"{cache}/torch",
        "MPLCONFIGDIR": f"{cache}/matplotlib",
        "NUMBA_CACHE_DIR": f"{cache}/numba",
    }


def not_enforced(permissions: Permissions) -> list[str]:
    """What a pack with these permissions is not kept from on this system."""
    told = [] if landlock.version() else ["reading and writing elsewhere"]
    if not seccomp.is_there():
        told += [] if permissions.network else ["the network"]
        told += [] if permissions.subprocess else ["starting programs"]
    return told


def confine(role: Role, settings: Settings) -> None:
    """Hold this process to its role's permissions, from now on. Call it before it has other threads."""
    allowed = role.permissions
    if allowed is None:
        return
    folders = folders_of(settings)
    problems = [landlock.confine(_readable(role, folders), _writable(role, folders))]
    if not (allowed.network and allowed.subprocess):
        problems.append(seccomp.deny(network=not allowed.network, programs=not allowed.subprocess))
    for problem in filter(None, problems):
        log.warning("the permissions of %s are not enforced here: %s", role.pack, problem)


def _readable(role: Role, folders: Folders) -> Iterator[Path]:
    yield from map(Path, SYSTEM)
    yield from (Path(entry) for entry in (*sys.path, sys.prefix, sys.base_prefix) if entry)
    yield Path(sys.executable).resolve().parent
    yield folders.input
    for folder in folders.models.values():
        yield from folder.paths
    if role.pack is not None:
        yield role.pack


def _writable(role: Role, folders: Folders) -> Iterator[Path]:
    allowed = role.permissions
    yield folders.temp
    for path in (role.pack, role.private):
        if path is not None:
            yield path
    for device in DEVICES:
        yield from Path("/dev").glob(device)
    if FOLDER_VARIABLE in os.environ:
        yield Path(os.environ[FOLDER_VARIABLE])
    if allowed is None:
        return
    if allowed.subprocess:
        yield MEMORY  # where processes share locks
    for name in allowed.folders:
        yield from _named(name, folders)


def _named(name: str, folders: Folders) -> Iterator[Path]:
    own = {"input": folders.input, "output": folders.output, "temp": folders.temp, "models": folders.base / "models"}
    if name in own:
        yield own[name]
        return
    try:
        yield from folders.model_folder(name).paths
    except UnknownFolder:
        yield (folders.base / Path(name).expanduser()).absolute()
