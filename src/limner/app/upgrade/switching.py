"""The switch: a backup, then what was checked is installed in this environment."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from limner.app.backup import default_name, write_backup
from limner.app.stores import data_folder
from limner.database import DatabaseBusy, Lock
from limner.plugins.environment import EnvironmentProblem, overlay_of_this_process
from limner.settings import Settings

from .checking import Checked, folder_of
from .problems import UpgradeProblem
from .trial import NAME, install, remove, requirement


@dataclass(frozen=True, slots=True)
class Switched:
    """From which version to which, and the backup of what the old one wrote."""

    old: str
    new: str
    backup: Path


def switch(settings: Settings, checked: Checked) -> Switched:
    """Install what was checked. Raises UpgradeProblem, DatabaseProblem, FileProblem, with the old version as it was."""
    _is_installed()
    with _no_server(settings):
        backup = settings.base_directory / default_name()
        write_backup(settings, backup)
        own = overlay_of_this_process().versions
        try:
            install(Path(sys.executable), [requirement(checked.source), *checked.pins], "it cannot be installed", own)
        except EnvironmentProblem as error:
            raise UpgradeProblem(str(error), "See what it says, and whether this user may write there") from error
    remove(folder_of(settings))
    return Switched(checked.old, checked.new, backup)


def _is_installed() -> None:
    """Raises UpgradeProblem where this Limner is a folder that somebody works in, which no installation changes."""
    try:
        told = json.loads(distribution(NAME).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        told = {}
    if told.get("dir_info", {}).get("editable"):
        place = str(told.get("url", "")).removeprefix("file://")
        remedy = "Update that folder (git pull), and what it requires (make setup)"
        raise UpgradeProblem(f"this Limner runs from {place}, where it is worked on", remedy)


@contextlib.contextmanager
def _no_server(settings: Settings) -> Iterator[None]:
    """No server of any port may run meanwhile: it would go on with half of each version. Raises UpgradeProblem."""
    with contextlib.ExitStack() as closing:
        for path in sorted(data_folder(settings).glob("server-*.lock")):
            try:
                closing.callback(Lock(path).close)
            except DatabaseBusy as error:
                remedy = "Stop it first: systemctl stop limner, or Ctrl-C where it runs"
                raise UpgradeProblem(f"a server runs over {settings.base_directory}", remedy) from error
        yield
