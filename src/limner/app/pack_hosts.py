"""Packs that have a host of their own: which they are, their environments, and the command that starts each host."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from limner.comfy.manifest import Manifest, private_name, read_manifest
from limner.comfy.packs_imports import find_packs, pack_name
from limner.executors.process import CannotStart
from limner.files import Folders
from limner.plugins.environment import (
    EnvironmentProblem,
    Wanted,
    built,
    interpreter,
    is_built,
    overlay_of_this_process,
    requirements_of,
)
from limner.settings import Settings, as_flags

from .confinement import environment
from .quarantine import Quarantine
from .role import Role, is_isolated

log = logging.getLogger(__name__)

LOCK = "requirements.lock"
"""Beside a pack's code: the exact versions that its author, or `limner packs lock`, has written down."""
STARTS = 3
"""Times in a row that a pack's own host may die while it starts."""


@dataclass(frozen=True, slots=True)
class OwnHost:
    """One pack's own host. `private` is the folder that its environment and all that it keeps are in."""

    name: str
    path: Path
    manifest: Manifest
    private: Path

    @property
    def module(self) -> str:
        """ComfyUI's python_module of its nodes."""
        return f"custom_nodes.{self.name}"

    @property
    def environment(self) -> Path:
        """The folder of its environment."""
        return self.private / "environment"

    @property
    def wanted(self) -> Wanted:
        said = self.manifest.requirements
        requirements = requirements_of(self.path) if said is None else said
        return Wanted(requirements, self.manifest.python)

    @property
    def lock(self) -> str:
        """The exact versions that stand beside its code; empty where none do."""
        file = self.path / LOCK
        return file.read_text("utf-8") if file.is_file() else ""

    def variables(self) -> dict[str, str]:
        """The environment variables of its process."""
        return environment(self.private)


def own_hosts(folders: Folders) -> list[OwnHost]:
    """The packs that have a host of their own, by what their manifests say."""
    found = []
    for path in find_packs(folders.model_folder("custom_nodes").paths):
        if is_isolated(path):
            name = pack_name(path)
            private = folders.user / "limner" / "packs" / private_name(name)
            found.append(OwnHost(name, path, read_manifest(path), private))
    return found


def shared_command(settings: Settings, quarantine: Quarantine) -> Callable[[], Awaitable[Sequence[str]]]:
    """What starts the host of the built-in nodes and of the packs that share it, without those in quarantine."""

    async def command() -> Sequence[str]:
        return _command(overlay_of_this_process().python, settings, Role(skipped=quarantine.reasons()))

    return command


def own_command(host: OwnHost, settings: Settings) -> Callable[[], Awaitable[Sequence[str]]]:
    """What starts a pack's own host. Makes its environment first, where that is missing. Raises CannotStart."""

    async def command() -> Sequence[str]:
        try:
            python = await asyncio.to_thread(_prepared, host)
        except EnvironmentProblem as error:
            raise CannotStart(f"{host.name} has no environment: {error}", error.remedy) from error
        role = Role(pack=host.path, permissions=host.manifest.permissions, private=host.private)
        return _command(python, settings, role)

    return command


def environment_of(host: OwnHost) -> Path | None:
    """The Python of its environment; None where that is not made yet, or not of what is wanted now."""
    there = is_built(host.environment, host.wanted, overlay_of_this_process(), host.lock)
    return interpreter(host.environment) if there else None


def _prepared(host: OwnHost) -> Path:
    overlay, folder = overlay_of_this_process(), host.environment
    for value in host.variables().values():
        Path(value).mkdir(parents=True, exist_ok=True)
    if not is_built(folder, host.wanted, overlay, host.lock):
        log.info("making the environment of %s", host.name)
    return built(folder, host.wanted, overlay, host.lock)


def _command(python: Path, settings: Settings, role: Role) -> Sequence[str]:
    return [str(python), "-m", "limner.app.host", json.dumps(as_flags(settings)), role.as_text()]
