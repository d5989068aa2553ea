"""ComfyUI's `folder_paths`: where models, inputs and outputs are. Over `limner.files.Folders`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import cast

from limner.comfy.shims.bridge import bridge_of
from limner.comfy.v1_schema import FileList
from limner.files import (
    MEDIA_FOLDERS,
    FileProblem,
    MissingFile,
    ModelFolder,
    UnsafeName,
    checked,
    media_kind,
    save_path,
    split_annotation,
)
from limner.files.model_folders import canonical
from limner.graph import FileChoices
from limner.plugins.context import CURRENT

bridge = bridge_of(__name__)

supported_pt_extensions: set[str] = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
base_path = str(bridge.folders.base)
models_dir = os.path.join(base_path, "models")
user_directory = str(bridge.folders.user)
filename_list_cache: dict[str, object] = {}


class _FolderNames(MutableMapping[str, tuple[list[str], set[str]]]):
    """Kind -> (folders, extensions), as packs read and extend it. Their changes are theirs and the host's alone."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[list[str], set[str]]] = {
            kind: ([str(path) for path in folder.paths], set(folder.extensions))
            for kind, folder in bridge.folders.models.items()
        }

    def __getitem__(self, kind: str) -> tuple[list[str], set[str]]:
        return self._known[map_legacy(kind)]

    def __setitem__(self, kind: str, value: tuple[Iterable[str], Iterable[str]]) -> None:
        paths, extensions = value
        self._known[map_legacy(kind)] = (
            paths if isinstance(paths, list) else list(paths),
            extensions if isinstance(extensions, set) else set(extensions),
        )

    def __delitem__(self, kind: str) -> None:
        del self._known[map_legacy(kind)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def map_legacy(folder_name: str) -> str:
    return canonical(folder_name)


folder_names_and_paths = _FolderNames()


def get_folder_paths(folder_name: str) -> list[str]:
    return folder_names_and_paths[folder_name][0][:]


def add_model_folder_path(folder_name: str, full_folder_path: str, is_default: bool = False) -> None:
    paths, extensions = folder_names_and_paths.get(folder_name) or ([], set())
    if full_folder_path in paths:
        paths.remove(full_folder_path)
    paths.insert(0 if is_default else len(paths), full_folder_path)
    folder_names_and_paths[folder_name] = (paths, extensions)


def get_filename_list(folder_name: str) -> list[str]:
    """The files of a kind; a list that still knows its folder where the server can list it too."""
    paths, extensions = folder_names_and_paths[folder_name]
    own = bridge.folders.models.get(map_legacy(folder_name))
    if own is not None and _same(own, paths, extensions):
        return FileList(bridge.folders.model_files(folder_name), FileChoices(map_legacy(folder_name)))
    found = {name for path in paths for name in recursive_search(path)[0]}
    return sorted(filter_files_extensions(found, extensions))


def _same(own: ModelFolder, paths: list[str], extensions: set[str]) -> bool:
    return [str(path) for path in own.paths] == paths and set(own.extensions) == extensions


def recursive_search(
    directory: str, excluded_dir_names: Iterable[str] | None = None
) -> tuple[list[str], dict[str, float]]:
    """The files below a folder, relative to it, and the times of its folders."""
    excluded, files, times = set(excluded_dir_names or ()), [], {}
    for folder, folders, names in os.walk(directory, followlinks=True):
        folders[:] = [name for name in folders if name not in excluded]
        times[folder] = os.path.getmtime(folder)
        files += [os.path.relpath(os.path.join(folder, name), directory) for name in names]
    return files, times


def filter_files_extensions(files: Iterable[str], extensions: Iterable[str]) -> list[str]:
    wanted = set(extensions)
    return sorted(name for name in files if not wanted or os.path.splitext(name)[1].lower() in wanted)


def filter_files_content_types(files: Iterable[str], content_types: Iterable[str]) -> list[str]:
    wanted = set(content_types)
    return [name for name in files if media_kind(name) in wanted]


def get_full_path(folder_name: str, filename: str) -> str | None:
    try:
        name = checked(filename)
    except UnsafeName:
        return None
    paths = folder_names_and_paths[folder_name][0] if folder_name in folder_names_and_paths else []
    candidates = (os.path.join(path, name) for path in paths)
    found = next((candidate for candidate in candidates if os.path.isfile(candidate)), None)
    if found is None and bridge.folders.store is not None and map_legacy(folder_name) in bridge.folders.models:
        with contextlib.suppress(MissingFile):
            return str(bridge.folders.resolve(folder_name, name))
    return found


def get_full_path_or_raise(folder_name: str, filename: str) -> str:
    found = get_full_path(folder_name, filename)
    if found is None:
        raise FileNotFoundError(f"there is no file {filename!r} among the {folder_name}")
    return found


def __getattr__(name: str) -> str:
    """`output_directory`, `temp_directory` and `input_directory`: those of whoever the call belongs to."""
    folder = name.removesuffix("_directory")
    if name.endswith("_directory") and folder in MEDIA_FOLDERS:
        return str(bridge.folders.media_folder(folder))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _media_directory(folder: str) -> str:
    """A folder as a pack has set it (`folder_paths.output_directory = ...`), or as it is."""
    return str(globals().get(f"{folder}_directory") or bridge.folders.media_folder(folder))


def get_output_directory() -> str:
    return _media_directory("output")


def get_temp_directory() -> str:
    return _media_directory("temp")


def get_input_directory() -> str:
    return _media_directory("input")


def get_user_directory() -> str:
    return user_directory


def get_directory_by_type(type_name: str) -> str | None:
    return _media_directory(type_name) if type_name in MEDIA_FOLDERS else None


def annotated_filepath(name: str) -> tuple[str, str | None]:
    plain, folder = split_annotation(name)
    return plain, get_directory_by_type(folder) if folder else None


def get_annotated_filepath(name: str, default_dir: str | None = None) -> str:
    plain, folder = annotated_filepath(name)
    return os.path.join(folder or default_dir or get_input_directory(), plain)


def exists_annotated_filepath(name: str) -> bool:
    try:
        return bridge.folders.locate(name).is_file()
    except FileProblem:
        return False


def get_save_image_path(
    filename_prefix: str, output_dir: str, image_width: int = 0, image_height: int = 0
) -> tuple[str, str, int, str, str]:
    """(folder, file name, counter, subfolder, prefix) of the next free name. Raises for a name that leaves it.

    A step that is interrupted and runs again in the same job gets the same name again.
    """

    def choose() -> list[object]:
        place = save_path(filename_prefix, Path(output_dir), image_width, image_height)
        return [str(place.folder), place.name, place.counter, place.subfolder]

    call = CURRENT.get()
    chosen = choose() if call is None else call.once(f"{output_dir} {filename_prefix}", choose)[0]
    folder, name, counter, subfolder = cast("tuple[str, str, int, str]", chosen)
    return folder, name, counter, subfolder, filename_prefix


def choices_of(choices: FileChoices) -> list[str]:
    """The values that these choices are now, as a list that still knows what it lists."""
    return FileList(bridge.folders.choices(choices), choices)
