"""Where packs are, and where they are made ready."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from limner.files import Folders

from .errors import BadSource

RECORDS = ".limner.toml"
DISABLED = ".disabled"
"""Behind the name of a pack that is switched off; also a folder that ComfyUI-Manager keeps such packs in."""
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Places:
    """`packs` are the folders that packs are in; new ones go into the first. `work` is where Limner keeps things."""

    packs: tuple[Path, ...]
    work: Path

    @classmethod
    def of(cls, folders: Folders) -> Places:
        return cls(folders.model_folder("custom_nodes").paths, folders.user / "limner")

    @property
    def home(self) -> Path:
        """The folder that new packs go into."""
        return self.packs[0]

    @property
    def changing(self) -> Path:
        """Where changes are made ready and written down; nothing is here while no command runs."""
        return self.work / "changes"

    @property
    def staging(self) -> Path:
        return self.changing / "staging"

    @property
    def journal(self) -> Path:
        """What a change does to the installation, for as long as it does it."""
        return self.changing / "change.json"

    @property
    def packages(self) -> Path:
        """Folders of the packages that packs require, one a set."""
        return self.work / "packages"

    @property
    def by_pip(self) -> Path:
        """The folder of what packs that share a host install themselves (`installers`)."""
        return self.work / "pip"


@contextmanager
def lock_of(folder: Path, *, shared: bool = False) -> Iterator[bool]:
    """Whether the folder's lock is ours, until the context ends; it goes with its process.

    Windows, which has no locks of folders, does without.
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def checked_name(name: str, remedy: str = "Name it with --name") -> str:
    """A name that a pack's folder or file may have. Raises `BadSource`, with the remedy."""
    plain = name.removesuffix(".py")
    wrong = (
        not plain
        or len(name) > LONGEST_NAME
        or plain.startswith((".", "__", "-"))
        or name.endswith((DISABLED, ".", " "))
        or re.search(r'[\x00-\x1f/\\:*?"<>|]', name) is not None
    )
    if wrong:
        raise BadSource(f"{name!r} is no name for a pack", f"{remedy}: letters, digits, dots, - and _")
    return name
