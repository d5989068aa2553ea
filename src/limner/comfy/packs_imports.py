"""Packs as modules: each is `custom_nodes.<its name>`, in hosts and in the processes that its nodes start.

A pack's functions are pickled by that name. Processes that are forked have the modules already; those that are spawned
find them by `PackFinder`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

PACKAGE = "custom_nodes"


def find_packs(folders: Iterable[Path]) -> list[Path]:
    """The packs in these folders, in the order in which they load."""
    found: list[Path] = []
    for folder in folders:
        try:
            entries = sorted(folder.iterdir(), key=lambda entry: entry.name.lower())
        except OSError:
            continue
        found += [entry for entry in entries if _is_pack(entry)]
    return found


def _is_pack(entry: Path) -> bool:
    if entry.name.startswith((".", "__")) or entry.name.endswith(".disabled"):
        return False
    return (entry / "__init__.py").is_file() if entry.is_dir() else entry.suffix == ".py"


def pack_name(path: Path) -> str:
    """What a pack is called: its folder's or file's name."""
    return path.stem if path.is_file() else path.name


def module_name(path: Path) -> str:
    """The name that a pack is imported by."""
    return f"{PACKAGE}." + re.sub(r"\W", "_", pack_name(path))


def imported(path: Path, name: str) -> ModuleType:
    """The pack's module, imported anew under this name. Raises whatever the import raises."""
    forget(name)
    make_package(path.parent)
    spec = _spec(path, name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        forget(name)
        raise
    return sys.modules.get(name, module)


def free_name(path: Path) -> str:
    """The pack's name, or one like it where another pack has it."""
    name, file = module_name(path), _file(path)
    while name in sys.modules and getattr(sys.modules[name], "__file__", None) != str(file):
        name += "_"
    return name


def modules_of(name: str) -> list[ModuleType]:
    """The modules of a pack that have been imported."""
    return [module for known, module in list(sys.modules.items()) if known == name or known.startswith(f"{name}.")]


def is_in(file: str, path: Path) -> bool:
    """Whether a file is a pack's: the pack itself, or in its folder."""
    return file == str(path) or file.startswith(f"{path}{os.sep}")


def forget(name: str) -> None:
    """Take a pack's modules out, so that it is imported anew."""
    for known in [known for known in list(sys.modules) if known == name or known.startswith(f"{name}.")]:
        del sys.modules[known]


def make_package(folder: Path) -> None:
    """The package that packs are found in, so that one can import from another (`custom_nodes.other`)."""
    package = sys.modules.get(PACKAGE)
    if package is None or not isinstance(getattr(package, "__path__", None), list):  # a module that is so called
        package = sys.modules[PACKAGE] = ModuleType(PACKAGE)
        package.__path__ = []
    if str(folder) not in package.__path__:
        package.__path__.append(str(folder))


def _file(path: Path) -> Path:
    return path if path.is_file() else path / "__init__.py"


def _spec(path: Path, name: str) -> ModuleSpec | None:
    inside = None if path.is_file() else [str(path)]
    return importlib.util.spec_from_file_location(name, _file(path), submodule_search_locations=inside)


class PackFinder(MetaPathFinder):
    """Finds packs where no host has imported them. `before` is called once, ahead of the first."""

    def __init__(self, folders: Sequence[Path], before: Callable[[], None]) -> None:
        self._folders = folders
        self._before: Callable[[], None] | None = before

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, last = fullname.rpartition(".")
        if fullname == PACKAGE:
            return self._package()
        if parent != PACKAGE:
            return None
        if self._before is not None:
            before, self._before = self._before, None
            before()
        for pack in find_packs(self._folders):
            if module_name(pack) == f"{PACKAGE}.{last.rstrip('_')}" or module_name(pack) == fullname:
                return _spec(pack, fullname)
        return None

    def _package(self) -> ModuleSpec:
        spec = ModuleSpec(PACKAGE, None, is_package=True)
        spec.submodule_search_locations = [str(folder) for folder in self._folders]
        return spec
