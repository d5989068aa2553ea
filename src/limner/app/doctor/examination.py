"""The sections of an examination, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from limner.files import FileProblem, Folders
from limner.settings import Settings

from ..folders import folders_of
from . import devices, models, packs, permissions, ports, versions
from .finding import Finding, failed

FOLDERLESS: Mapping[str, Callable[[Settings], Iterable[Finding]]] = {
    "Versions": lambda settings: versions.findings(settings.base_directory),
    "Devices and drivers": devices.findings,
}
WITH_FOLDERS: Mapping[str, Callable[[Settings, Folders], Iterable[Finding]]] = {
    "Folders and permissions": permissions.findings,
    "Models": models.findings,
    "Packs": packs.findings,
    "Ports and logins": ports.findings,
}


def examine(settings: Settings) -> Iterator[tuple[str, Sequence[Finding]]]:
    """Each section with what was found, once it has been looked at."""
    for section, look in FOLDERLESS.items():
        yield section, list(look(settings))
    try:
        folders = folders_of(settings)
    except FileProblem as error:
        yield "Folders and permissions", [failed("extra_model_paths.yaml", error.problem, error.remedy)]
        return
    for name, look_into in WITH_FOLDERS.items():
        yield name, list(look_into(settings, folders))
