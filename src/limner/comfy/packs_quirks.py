"""What packs leave out or get wrong, and what is done about it: it is mended and said.

- A name that a pack uses and forgot to import (`np`, `torch`, or a function that only its `__init__.py` imports).
- `logging.basicConfig` in a pack: its level holds for that pack's own loggers, and the host's log stays as it is.
- The folder of the program that runs, which packs take for ComfyUI's: the base directory.
- `torch.utils.cpp_extension.load(..., extra_cuda_flags=...)`: taken as `extra_cuda_cflags`; sources are looked for
  beside the file that loads them, and a build that was killed leaves no lock behind.
"""

from __future__ import annotations

import builtins
import dis
import functools
import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any

from .packs_mending import mend

log = logging.getLogger(__name__)

KNOWN: Mapping[str, str] = MappingProxyType({"np": "numpy", "numpy": "numpy", "torch": "torch"})
"""Names that everyone gives the same module."""
EXTENSIONS = "torch.utils.cpp_extension"
MENDED = "limner_mended"


def fill_in_names(pack: ModuleType, modules: Sequence[ModuleType]) -> list[str]:
    """Give a pack's modules the names that their functions use and nobody imported; returns what was given, as text."""
    given = []
    for module in modules:
        wanted = _unknown_names(module, {*KNOWN, *vars(pack)})
        for name in sorted(wanted):
            if name in KNOWN:
                setattr(module, name, importlib.import_module(KNOWN[name]))
            else:
                setattr(module, name, vars(pack)[name])
            given.append(f"{module.__name__} uses {name} without importing it")
    return given


def _unknown_names(module: ModuleType, candidates: set[str]) -> set[str]:
    """Of the candidates, those that the module's functions read as globals and that it does not have."""
    missing = {name for name in candidates if name not in vars(module) and not hasattr(builtins, name)}
    if not missing:
        return set()
    found: set[str] = set()
    for code in _codes(module):
        if missing.intersection(code.co_names):
            found |= {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"} & missing
    return found


def _codes(module: ModuleType) -> Iterator[CodeType]:
    waiting: list[CodeType] = []
    for value in list(vars(module).values()):
        holders = list(vars(value).values()) if isinstance(value, type) and value.__module__ == module.__name__ else []
        for item in (value, *holders):
            function = item.__func__ if isinstance(item, staticmethod | classmethod) else item
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                waiting.append(function.__code__)
    while waiting:
        code = waiting.pop()
        yield code
        waiting.extend(part for part in code.co_consts if isinstance(part, CodeType))


@contextmanager
def own_logging(name: str) -> Iterator[None]:
    """While the pack of this module name is imported, `logging.basicConfig` is about its own loggers."""
    before = logging.basicConfig

    def configure(**options: Any) -> None:
        level = options.get("level")
        if level is not None:
            logging.getLogger(name).setLevel(level)

    logging.basicConfig = configure
    try:
        yield
    finally:
        logging.basicConfig = before


def lead_to(folder: Path) -> None:
    """Have the program's own `__file__` lead to this folder, as packs look for ComfyUI's beside its `main.py`."""
    main = sys.modules.get("__main__")
    if main is not None and getattr(main, "__spec__", None) is not None:  # found by its name, not by its file
        main.__file__ = str(folder / "main.py")


def mend_extension_loading() -> None:
    """From now on `torch.utils.cpp_extension.load` is mended when it is imported."""
    mend(EXTENSIONS, _mend)


def _mend(module: ModuleType) -> None:
    for name in ("load", "load_inline"):
        function = getattr(module, name)
        if not getattr(function, MENDED, False):
            setattr(module, name, _mended(function))


def _mended(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def load(*args: Any, extra_cuda_flags: Sequence[str] | None = None, **options: Any) -> Any:
        if extra_cuda_flags is not None:
            log.warning("extra_cuda_flags is taken as extra_cuda_cflags, which is torch's name for it")
            options["extra_cuda_cflags"] = [*(options.get("extra_cuda_cflags") or ()), *extra_cuda_flags]
        if function.__name__ != "load":
            return function(*args, **options)
        bound = inspect.signature(function).bind(*args, **options)
        sources = bound.arguments.get("sources")
        if sources is not None:
            beside = Path(sys._getframe(1).f_code.co_filename).parent
            several = [sources] if isinstance(sources, str | Path) else list(sources)
            bound.arguments["sources"] = [_beside(source, beside) for source in several]
        with _alone(function, str(bound.arguments["name"]), bound.arguments.get("build_directory")):
            return function(*bound.args, **bound.kwargs)

    setattr(load, MENDED, True)
    return load


@contextmanager
def _alone(function: Callable[..., Any], name: str, folder: str | None) -> Iterator[None]:
    """One build at a time, by a lock that goes with its process.

    torch's own lock is a file, which a process that was killed while it built leaves behind, for all others to wait on.
    """
    if sys.platform == "win32":  # which has no such locks
        yield
        return
    import fcntl

    place = Path(folder or inspect.getmodule(function)._get_build_directory(name, False))  # type: ignore[union-attr]
    with (place / "limner.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (place / "lock").unlink(missing_ok=True)
        yield


def _beside(source: str | Path, folder: Path) -> str:
    """A source that is not there is looked for in the folder of the file that names it."""
    there = folder / source
    return str(there) if not Path(source).exists() and there.exists() else str(source)
