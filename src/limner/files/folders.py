"""The folders of one installation, and the files in them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from types import MappingProxyType

from limner.graph import FileChoices

from . import model_folders
from .errors import CannotWrite, MissingFile, UnknownFolder, UnsafeName
from .extra_paths import read_extra_paths
from .kinds import media_kind
from .listing import Listing
from .model_folders import ModelFolder
from .names import below, checked, split_annotation
from .save_path import SavePath, save_path
from .store import ModelStore

MEDIA_FOLDERS = ("input", "output", "temp")
USERS = "users"
"""The subfolder of each of them that holds the folders of users who log in."""


def package_data() -> Path:
    """The data that ships with the package: `models/`, `input/` and `workflows/`."""
    return Path(__file__).resolve().parents[1] / "data"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where everything is. `models` maps each kind (and `custom_nodes`) to its search paths.

    Model folders are the user's own to arrange, so symbolic links in them are followed wherever they lead; names in
    the input, output and temp folders come from clients, so links out of them are refused.
    """

    base: Path
    input: Path
    output: Path
    temp: Path
    user: Path
    models: Mapping[str, ModelFolder]
    home: str = ""
    """Whose input, output and temp folders these are; empty for all of them."""
    store: ModelStore | None = None
    """Has more models than there are here."""
    fetches: bool = False
    """Whether a model that is asked for is fetched from the store; else it is known, and missing."""
    _listing: Listing = field(default_factory=Listing, compare=False, repr=False)
    _homes: dict[str, Folders] = field(default_factory=dict, compare=False, repr=False)
    _elsewhere: dict[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def under(
        cls,
        base: Path,
        *,
        input: Path | None = None,
        output: Path | None = None,
        temp: Path | None = None,
        user: Path | None = None,
        extra_model_paths: Iterable[Path] = (),
        built_in: bool = True,
    ) -> Folders:
        """The folders below `base`, some of them elsewhere, with the search paths of these yaml files.

        `built_in`: the model that ships with Limner is among the checkpoints.

        `base/extra_model_paths.yaml` is read where it exists. Raises `MissingFile`, `BadFile` for a named yaml.
        """
        base = base.expanduser().absolute()
        output = (output or base / "output").expanduser().absolute()
        models = model_folders.standard(base)
        usual = base / "extra_model_paths.yaml"
        for file in [*([usual] if usual.is_file() else []), *extra_model_paths]:
            for extra in read_extra_paths(file):
                model_folders.add(models, extra.kind, extra.path, first=extra.first)
        model_folders.add_saved(models, output)
        if built_in:
            model_folders.add(models, "checkpoints", package_data() / "models" / "checkpoints")
        return cls(
            base=base,
            input=(input or base / "input").expanduser().absolute(),
            output=output,
            temp=(temp or base / "temp").expanduser().absolute(),
            user=(user or base / "user").expanduser().absolute(),
            models=MappingProxyType(models),
        )

    def of(self, home: str) -> Folders:
        """The folders as the user of this name has them: own ones for inputs, outputs and temporary files, the same
        models. They lie below these, in `users/NAME`; empty for these. Raises `UnsafeName`, `CannotWrite`.
        """
        if not home:
            return self
        found = self._homes.get(home)
        if found is None:
            place = PurePath(USERS, checked(home))
            if len(place.parts) != 2 or self.home:
                raise UnsafeName(f"{home!r} is no user's name", "Use the name that the user logs in with")
            inputs, outputs, temp = (self.media_folder(name) / place for name in MEDIA_FOLDERS)
            own = replace(self, home=home, input=inputs, output=outputs, temp=temp, _listing=Listing(), _homes={})
            own._furnish()
            found = self._homes[home] = own
        return found

    def _furnish(self) -> None:
        """Make the media folders; a new input folder gets the example picture."""
        fresh = not self.input.exists()
        try:
            for name in MEDIA_FOLDERS:
                self.media_folder(name).mkdir(parents=True, exist_ok=True)
            example = package_data() / "input" / "example.png"
            if fresh and example.is_file():
                shutil.copyfile(example, self.input / example.name)
        except OSError as error:
            problem = f"the folders of {self.home} cannot be made: {error.strerror}"
            raise CannotWrite(problem, "Check that the input, output and temp folders may be written to") from error

    def prepare(self, *, models: bool = True) -> None:
        """Make the folders that are missing, those of models with `models`; a new input folder gets the example."""
        fresh = not self.input.exists()
        searched = (path for folder in self.models.values() for path in folder.paths) if models else ()
        own = [path for path in searched if path.is_relative_to(self.base)]
        saved = [path for path in own if path.is_relative_to(self.output)]
        for path in [self.base, self.input, self.output, self.temp, self.user, *own]:
            if path not in saved:
                path.mkdir(parents=True, exist_ok=True)
        example = package_data() / "input" / "example.png"
        if fresh and example.is_file():
            shutil.copyfile(example, self.input / example.name)

    def media_folder(self, name: str) -> Path:
        """The folder called `input`, `output` or `temp`. Raises `UnknownFolder`."""
        if name not in MEDIA_FOLDERS:
            raise UnknownFolder(f"there is no folder {name!r}", f"Use one of {', '.join(MEDIA_FOLDERS)}")
        return Path({"input": self.input, "output": self.output, "temp": self.temp}[name])

    def model_folder(self, kind: str) -> ModelFolder:
        """The search paths of a kind, by its own or its legacy name. Raises `UnknownFolder`."""
        found = self.models.get(model_folders.canonical(kind))
        if found is None:
            raise UnknownFolder(f"there is no kind of model called {kind!r}", f"Known are {', '.join(self.models)}")
        return found

    def model_files(self, kind: str) -> list[str]:
        """The names of all files of a kind, sorted, those in subfolders as `subfolder/name`."""
        return self._model_files(kind, self._elsewhere.get(model_folders.canonical(kind), frozenset()))

    def own_model_files(self, kind: str) -> list[str]:
        """The same without those that only other machines have."""
        return self._model_files(kind, frozenset())

    def _model_files(self, kind: str, others: frozenset[str]) -> list[str]:
        folder = self.model_folder(kind)
        names: Iterable[str] = self._listing.files(folder.paths)
        stored = self._stored(kind)
        if others or stored:
            names = sorted({*others, *stored, *names})
        if not folder.extensions:
            return list(names)
        return [name for name in names if os.path.splitext(name)[1].lower() in folder.extensions]

    def model_size(self, kind: str, name: str) -> int:
        """The bytes of a model's file, here or in the store; 0 for one that is in neither. Raises `UnsafeName`."""
        with contextlib.suppress(MissingFile, OSError):
            return replace(self, fetches=False).resolve(kind, name).stat().st_size
        return self._stored(kind).get(name, 0)

    def _stored(self, kind: str) -> Mapping[str, int]:
        return {} if self.store is None else self.store.sizes(model_folders.canonical(kind))

    def also_there(self, models: Mapping[str, frozenset[str]]) -> None:
        """Other machines that run graphs have these models, by kind: their names are listed beside those of here."""
        self._elsewhere.clear()
        self._elsewhere.update(models)

    def media_files(self, folder: str, kinds: Iterable[str] = ()) -> list[str]:
        """The names of the files right in `input`, `output` or `temp`, sorted; only these media kinds, if given."""
        root, wanted = self.media_folder(folder), frozenset(kinds)
        names = (name for name in self._listing.files((root,), recursive=False) if not name.endswith(".part"))
        return [name for name in names if not wanted or media_kind(name) in wanted]

    def all_media_files(self, folder: str) -> list[str]:
        """The names of all files of `input`, `output` or `temp`, sorted, those in subfolders as `subfolder/name`."""
        names = self._listing.files((self.media_folder(folder),))
        return [name for name in names if not name.endswith(".part")]

    def choices(self, choices: FileChoices) -> list[str]:
        """The values that an input with these choices takes now."""
        if choices.folder in MEDIA_FOLDERS:
            names = self.media_files(choices.folder, choices.kinds)
        else:
            names = self.model_files(choices.folder)
        return [*choices.extra, *names, *choices.after]

    def resolve(self, kind: str, name: str) -> Path:
        """The file `name` of a model kind, or of `input`, `output`, `temp`. Raises `UnsafeName`, `MissingFile`."""
        if kind in MEDIA_FOLDERS:
            path = below(self.media_folder(kind), name)
            if path.is_file():
                return path
            raise MissingFile(f"there is no file {name!r} in the {kind} folder", f"Put it into {path.parent}")
        folder = self.model_folder(kind)
        for root in folder.paths:
            path = root / checked(name)
            if path.is_file():
                return path
        if self.store is not None and self.fetches and name in self._stored(kind):
            return self.store.fetch(model_folders.canonical(kind), name, folder.paths[0])
        raise MissingFile(
            f"there is no file {name!r} among the {kind}",
            f"Put it into {folder.paths[0]}, or choose one of the files that are there",
        )

    def locate(self, name: str, default: str = "input") -> Path:
        """The file of an annotated name: `x.png`, `sub/x.png [output]`. Raises `UnsafeName`, `MissingFile`."""
        plain, folder = split_annotation(name)
        return self.resolve(folder or default, plain)

    def save_path(self, prefix: str, folder: str = "output", width: int = 0, height: int = 0) -> SavePath:
        """The next free place for a file name prefix. Raises `UnsafeName`, `CannotWrite`."""
        return save_path(prefix, self.media_folder(folder), width, height)
