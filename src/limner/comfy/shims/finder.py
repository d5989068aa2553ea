"""Makes ComfyUI's module names importable.

`comfy.utils` is the file `comfy/utils.py` here. A module that ComfyUI has and that has no file here is made of what is
known of it (`known`): node classes that Limner has act; whatever else is known is a stand-in (`absent`). What a file
here lacks is made up in the same way. Names that ComfyUI does not have are missing here as they are there, and
`from ... import *` brings what it brings there.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from limner.graph import FileChoices

from . import known
from .absent import absent, absent_node
from .bridge import Bridge
from .known import KnownModule

ROOT = Path(__file__).parent
OWN = frozenset({"__init__", "absent", "bridge", "finder", "interfaces", "known", "names", "objects", "report"})


class _Loader(SourceFileLoader):
    """A loader that knows the bridge, so that the module it loads finds it (`bridge_of`)."""

    def __init__(self, name: str, path: str, bridge: Bridge) -> None:
        super().__init__(name, path)
        self.bridge = bridge

    def exec_module(self, module: ModuleType) -> None:
        """Packs look for ComfyUI's folder by a module's `__file__`, and write there: it leads to the base directory."""
        module.__file__ = str(self.bridge.folders.base / Path(self.path).relative_to(ROOT))
        super().exec_module(module)
        _complete(module, self.bridge)


class _MadeLoader(Loader):
    """Makes a module of what is known of it."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge

    def exec_module(self, module: ModuleType) -> None:
        place = Path(*module.__name__.split("."))
        file = place / "__init__.py" if module.__name__ in known.packages() else place.with_suffix(".py")
        module.__file__ = str(self.bridge.folders.base / file)
        _complete(module, self.bridge)


class ShimFinder(MetaPathFinder):
    """Finds ComfyUI's modules, with or without a file here."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in OWN:
            return None
        place = ROOT.joinpath(*fullname.split("."))
        package = place / "__init__.py"
        file = package if package.is_file() else place.with_suffix(".py")
        if not file.is_file():
            return self._made(fullname)
        return importlib.util.spec_from_file_location(
            fullname,
            file,
            loader=_Loader(fullname, str(file), self._bridge),
            submodule_search_locations=[str(place)] if file is package else None,
        )

    def _made(self, fullname: str) -> ModuleSpec | None:
        is_package = fullname in known.packages()
        if not is_package and fullname not in known.modules():
            return None
        return ModuleSpec(fullname, _MadeLoader(self._bridge), is_package=is_package)


def _complete(module: ModuleType, bridge: Bridge) -> None:
    """Give the module a `__getattr__` for the known names that it lacks, and for its submodules."""
    name = module.__name__
    found = known.modules().get(name, KnownModule(name))
    before: Callable[[str], Any] | None = module.__dict__.get("__getattr__")
    starred = [entry for entry in (*found.kinds, *found.nodes, *found.imported) if not entry.startswith("_")]
    module.__dict__["__all__"] = [*dict.fromkeys((*module.__dict__.get("__all__", ()), *starred))]

    def lacking(attribute: str) -> Any:
        if before is not None:
            try:
                return before(attribute)
            except AttributeError:
                pass
        value = _value(found, attribute, bridge)
        setattr(module, attribute, value)
        return value

    module.__dict__["__getattr__"] = lacking


def _value(module: KnownModule, attribute: str, bridge: Bridge) -> Any:
    """Raises AttributeError for a name that ComfyUI's module has not either."""
    qualified = f"{module.name}.{attribute}"
    if node := module.nodes.get(attribute):
        implementation = bridge.builtin.get(node.type)
        if implementation is not None:
            from limner.comfy.v1_classes import class_of

            return bridge.classes.get(node.type) or class_of(implementation, node.method, bridge.services)
        return absent_node(qualified, node.type, node.method, _files)
    if kind := module.kinds.get(attribute):
        return absent(qualified, kind)
    if source := module.imported.get(attribute):
        return _imported(qualified, *source)
    if attribute == "NODE_CLASS_MAPPINGS" and module.nodes:
        holder = importlib.import_module(module.name)
        return {entry.type: getattr(holder, cls) for cls, entry in module.nodes.items()}
    if attribute == "NODE_DISPLAY_NAME_MAPPINGS" and module.nodes:
        return {}
    if not attribute.startswith("_") and (qualified in known.modules() or qualified in known.packages()):
        return importlib.import_module(qualified)
    raise AttributeError(f"module {module.name!r} has no attribute {attribute!r}")


def _files(choices: FileChoices) -> Any:
    return importlib.import_module("folder_paths").choices_of(choices)


def _imported(qualified: str, module: str, name: str) -> Any:
    """What a module of ComfyUI imported from another, or from a library; a stand-in where that is not here."""
    try:
        found = importlib.import_module(module)
        return getattr(found, name) if name else found
    except (ImportError, AttributeError):
        return absent(qualified, "class" if name[:1].isupper() else "value")


def names() -> frozenset[str]:
    """The top names that shims exist for."""
    files = {place.stem for place in ROOT.iterdir() if not place.name.startswith("__")} - OWN
    return frozenset(files | {name.partition(".")[0] for name in known.modules()})


def install(bridge: Bridge) -> ShimFinder:
    """From now on ComfyUI's names mean our modules, with this bridge; a process has one at a time."""
    for earlier in [entry for entry in sys.meta_path if isinstance(entry, ShimFinder)]:
        uninstall(earlier)
    finder = ShimFinder(bridge)
    sys.meta_path.insert(0, finder)
    return finder


def uninstall(finder: ShimFinder) -> None:
    """Undo `install`, and forget the modules that it brought."""
    if finder in sys.meta_path:
        sys.meta_path.remove(finder)
    tops = names()
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if name.partition(".")[0] in tops and isinstance(getattr(spec, "loader", None), _Loader | _MadeLoader):
            del sys.modules[name]
