"""Modules of libraries that are mended when they are imported, whenever that is: importing them takes its time.

A mending is a function that gets the module, `before` its code has run (when what it needs is declared elsewhere) or
after. One that was imported earlier is mended at once, where it is mended after.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

Mending = Callable[[ModuleType], None]


def mend(name: str, mending: Mending, *, before: bool = False) -> None:
    """From now on the module of this name is mended. A second request for it changes nothing."""
    module = sys.modules.get(name)
    if module is not None:
        if not before:
            mending(module)
    elif not any(isinstance(finder, MendingFinder) and finder.name == name for finder in sys.meta_path):
        sys.meta_path.insert(0, MendingFinder(name, mending, before))


class MendingFinder(MetaPathFinder):
    """Finds one module, once, as the finders after it do, and has it mended."""

    def __init__(self, name: str, mending: Mending, before: bool) -> None:
        self.name = name
        self._mending, self._before = mending, before

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _MendingLoader(spec.loader, self._mending, self._before)
        return spec


class _MendingLoader(Loader):
    def __init__(self, loader: Loader, mending: Mending, before: bool) -> None:
        self._loader = loader
        self._mending, self._before = mending, before

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self._before:
            self._mending(module)
        self._loader.exec_module(module)
        if not self._before:
            self._mending(module)
