"""A change of the installation that happens whole or not at all.

    with Change(places) as change:
        folder = change.folder()                 # made ready here
        change.move(folder, target)              # planned, nothing is done yet
        change.write(file, text)
        change.commit()

What is planned is written to the disk (`Places.journal`) before any of it is done, with what it takes to undo it. The
change is done when the journal says so, in one write; a journal that does not is undone, by whoever comes first
(`recover`). What is taken away is moved aside, and deleted when the change is done.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from limner.files import clear_leftovers, write_atomic

from .errors import Busy
from .places import DISABLED, Places, lock_of


@dataclass(slots=True)
class Change:
    """`moves` and `texts` are what is planned."""

    places: Places
    moves: list[tuple[Path, Path]] = field(default_factory=list)
    texts: dict[Path, str] = field(default_factory=dict)
    _beside: list[Path] = field(default_factory=list)

    def __enter__(self) -> Change:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for path in (*self._beside, self.places.staging):
            remove(path)
        with suppress(OSError):
            self.places.changing.rmdir()

    def folder(self) -> Path:
        """A new folder that nobody else sees."""
        self.places.staging.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self.places.staging))

    def move(self, source: Path, target: Path) -> None:
        """Put what was made ready in its place, where nothing may be (any more) by then."""
        self.moves.append((self._on_the_device_of(target.parent, source), target))

    def take_away(self, path: Path) -> None:
        """Move aside, and delete when the change is done."""
        if _device(path.parent) == _device(self.places.changing):
            aside = self.folder() / path.name
        else:
            aside = _hidden(path.parent)
            self._beside.append(aside)
        self.moves.append((path, aside))

    def write(self, path: Path, text: str) -> None:
        """A file's whole text; no text, no file."""
        self.texts[path] = text

    def commit(self, between: Callable[[], None] = lambda: None) -> None:
        """Do it. Whatever is raised meanwhile, by `between` too, which is called after each step, undoes it all."""
        plan = {
            "moves": [[str(source), str(target)] for source, target in self.moves],
            "texts": {str(path): _read(path) for path in self.texts},
        }
        self.places.changing.mkdir(parents=True, exist_ok=True)
        write_atomic(self.places.journal, json.dumps({"done": False, **plan}).encode())
        try:
            for source, target in self.moves:
                if os.path.lexists(target):
                    raise FileExistsError(f"{target} is in the way")
                target.parent.mkdir(parents=True, exist_ok=True)
                os.rename(source, target)
                between()
            for path, text in self.texts.items():
                _write(path, text)
                between()
            write_atomic(self.places.journal, json.dumps({"done": True, **plan}).encode())
        except BaseException:
            recover(self.places)
            raise
        recover(self.places)

    def _on_the_device_of(self, folder: Path, source: Path) -> Path:
        """A rename works within a device only: a copy on the other one, under a name that nobody loads."""
        if _device(folder) == _device(source):
            return source
        beside = _hidden(folder)
        self._beside.append(beside)
        if source.is_dir():
            shutil.copytree(source, beside, symlinks=True)
        else:
            shutil.copy2(source, beside)
        return beside


@contextmanager
def at_work(places: Places) -> Iterator[Places]:
    """The packs are ours to change, until the context ends; what an earlier command left is cleared. Raises `Busy`."""
    new = _lacking(places.home, places.changing, places.packages)
    places.home.mkdir(parents=True, exist_ok=True)
    with lock_of(places.home) as held:
        if not held:
            raise Busy("another command works on these packs", "Wait for it to end, and try again")
        _clear(places)
        try:
            yield places
        finally:
            _clear(places)
            for folder in new:
                with suppress(OSError):
                    folder.rmdir()


def mend(places: Places) -> None:
    """Undo what a command that was killed had begun, unless another one is at work."""
    if places.changing.exists():
        with lock_of(places.home) as held:
            if held:
                _clear(places)


def _lacking(*folders: Path) -> list[Path]:
    """The folders, and those above them, that are not there, the deepest first."""
    wanted = {folder for deepest in folders for folder in (deepest, *deepest.parents) if not folder.exists()}
    return sorted(wanted, key=lambda folder: -len(folder.parts))


def _clear(places: Places) -> None:
    recover(places)
    shutil.rmtree(places.staging, ignore_errors=True)
    for folder in places.packs:
        for left in folder.glob(f".limner-*{DISABLED}"):
            remove(left)
    clear_leftovers((places.changing, *places.packs), age=0, below=False)
    for empty in (places.changing, places.packages):
        with suppress(OSError):
            empty.rmdir()


def recover(places: Places) -> None:
    """Finish, or undo, a change that was interrupted. Call it with the lock."""
    try:
        plan: dict[str, Any] = json.loads(places.journal.read_bytes())
    except (OSError, ValueError):
        return
    moves = [(Path(source), Path(target)) for source, target in plan["moves"]]
    if plan["done"]:
        for _, target in moves:
            if target.is_relative_to(places.staging) or _is_hidden(target):
                remove(target)
    else:
        for path, text in plan["texts"].items():
            _write(Path(path), text or "")
        for source, target in reversed(moves):
            if os.path.lexists(target) and not os.path.lexists(source):
                source.parent.mkdir(parents=True, exist_ok=True)
                os.rename(target, source)
    places.journal.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _hidden(folder: Path) -> Path:
    return folder / f".limner-{os.getpid()}-{os.urandom(4).hex()}{DISABLED}"


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".limner-") and path.name.endswith(DISABLED)


def _device(path: Path) -> int:
    """Of the path, or of the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.stat().st_dev


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except OSError:
        return None


def _write(path: Path, text: str) -> None:
    if text:
        write_atomic(path, text.encode())
    else:
        path.unlink(missing_ok=True)
