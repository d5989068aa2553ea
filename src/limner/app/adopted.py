"""The host of a ComfyUI that is there already: what starts it, and what its Python needs to.

Its Python is left as it is. What the host needs beside what ComfyUI brings, Limner's own code and msgspec, lies in a
folder of Limner's that this process alone looks into.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from limner.comfy.adopted.folder import ComfyFolder, NoComfyUI
from limner.executors.process import CannotStart
from limner.files import Folders
from limner.plugins.environment import EnvironmentProblem, install_into
from limner.settings import Settings

from .caching import job_folder, shared_folder
from .quarantine import Quarantine

NEEDED = ("msgspec",)
PACKAGE = Path(__file__).resolve().parents[1]


class Adopted:
    """An adopted ComfyUI. Raises NoComfyUI."""

    def __init__(self, settings: Settings, folders: Folders) -> None:
        assert settings.comfyui is not None
        self._settings, self._folders = settings, folders
        self.folder = ComfyFolder.at(settings.comfyui, settings.comfyui_python)
        self._side = folders.user / "limner" / "comfyui-host"

    def variables(self) -> Mapping[str, str]:
        """The environment variables of its host."""
        paths = [str(self._side), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONNOUSERSITE": os.environ.get("PYTHONNOUSERSITE", "")}

    def command(self, quarantine: Quarantine) -> Callable[[], Awaitable[Sequence[str]]]:
        """What starts its host. Raises CannotStart."""

        async def command() -> Sequence[str]:
            try:
                await asyncio.to_thread(self._prepare)
            except (NoComfyUI, EnvironmentProblem, OSError) as error:
                remedy = getattr(error, "remedy", "Make the user folder writable")
                raise CannotStart(f"the ComfyUI in {self.folder.path} cannot be started: {error}", remedy) from error
            return [str(self.folder.python), "-m", "limner.comfy.adopted", json.dumps(self._adoption(quarantine))]

        return command

    def _adoption(self, quarantine: Quarantine) -> Mapping[str, object]:
        shared = shared_folder(self._settings)
        return {
            "path": str(self.folder.path),
            "arguments": self.arguments(),
            "skipped": dict(quarantine.reasons()),
            "kinds": list(self._folders.models),
            "jobs": str(job_folder(self._settings, self._folders)),
            "shared": "" if shared is None else str(shared),
        }

    def arguments(self) -> Sequence[str]:
        """The arguments of its `main.py` that mean what the server's settings mean."""
        settings, folders = self._settings, self._folders
        given = [
            *("--input-directory", str(folders.input)),
            *("--output-directory", str(folders.output)),
            *("--temp-directory", str(folders.temp.parent)),
            *("--user-directory", str(folders.user)),
            *("--preview-method", settings.preview_method),
            *("--verbose", settings.verbose),
        ]
        for file in settings.extra_model_paths_config:
            given += ["--extra-model-paths-config", str(file)]
        given += ["--cpu"] if settings.cpu else []
        given += ["--disable-metadata"] if settings.disable_metadata else []
        return [*given, *shlex.split(settings.comfyui_arguments)]

    def _prepare(self) -> None:
        """Put what the host needs into its folder. Raises NoComfyUI, EnvironmentProblem, OSError."""
        self._side.mkdir(parents=True, exist_ok=True)
        _link(PACKAGE, self._side / "limner")
        for name in NEEDED:
            if self.folder.minor() == f"{sys.version_info.major}.{sys.version_info.minor}":
                _link(_package(name), self._side / name)
            elif not self._has(name):
                with contextlib.suppress(FileNotFoundError):
                    (self._side / name).unlink()
                assert self.folder.python is not None
                install_into(self._side, [f"{name}=={metadata.version(name)}"], self.folder.python)
                (self._side / f"{name}.for").write_text(self.folder.minor())

    def _has(self, name: str) -> bool:
        """Whether it was installed there for this Python before."""
        try:
            return (self._side / name).is_dir() and (self._side / f"{name}.for").read_text() == self.folder.minor()
        except OSError:
            return False


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise NoComfyUI(f"Limner's own {name} is not found", "Install Limner's requirements again")
    return Path(found.origin).parent


def _link(source: Path, place: Path) -> None:
    """A link to the package, or a copy of it where there are no links."""
    if place.is_symlink() and place.resolve() == source.resolve():
        return
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    try:
        place.symlink_to(source, target_is_directory=True)
    except (OSError, NotImplementedError):
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__", "data"))
