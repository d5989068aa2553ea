"""What a pack does while it is imported, seen from inside the process: Python's audit events, replaced names, time.

Only what happens below a line of the pack's own code counts. An audit hook cannot be taken off again: this is for a
process that imports one pack and ends.
"""

from __future__ import annotations

import builtins
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

from limner.packs.report import Doing, Patch

PIP = ("pip", "pip3", "uv", "ensurepip")
WRITING = ("w", "a", "x", "+")
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty")
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "http.client.connect")
UNREAL = ("/dev/", "/proc/")
LIMNER = "limner."


class ImportWatch:
    """Watches from its making on. `pack` is the folder or file whose code is meant; `found` is what it did."""

    def __init__(self, pack: Path) -> None:
        self._root = str(pack)
        self._inside = self._root + os.sep
        self._parts: dict[str, float] = {}
        self._deep = threading.local()
        self.found: dict[Doing, None] = {}
        self._before = dict(_callables())
        sys.addaudithook(self._hear)

    def importing(self) -> None:
        """From now on measure what the pack's own import statements take, and see the threads that it starts."""
        plain = builtins.__import__

        def timed(name: str, globals: Any = None, *rest: Any, **more: Any) -> ModuleType:
            file = globals.get("__file__") if isinstance(globals, dict) else None
            level = more.get("level", rest[2] if len(rest) > 2 else 0)
            top = name.partition(".")[0]
            if level or not self._is_own(str(file or "")) or top in sys.modules:
                return plain(name, globals, *rest, **more)
            started = time.perf_counter()
            try:
                return plain(name, globals, *rest, **more)
            finally:
                self._parts[top] = self._parts.get(top, 0.0) + time.perf_counter() - started

        begin = threading.Thread.start

        def started(thread: threading.Thread) -> None:
            where = self._where()  # no audit event tells of threads in every version of Python
            if where:
                target = getattr(thread, "_target", None) or type(thread)
                self.found[Doing("thread", str(getattr(target, "__qualname__", target)), where)] = None
            begin(thread)

        builtins.__import__ = timed
        setattr(threading.Thread, "start", started)  # noqa: B010  # types know no methods that are replaced

    def slowest(self, number: int = 5) -> list[tuple[str, float]]:
        """The libraries whose import took longest, in seconds."""
        return sorted(self._parts.items(), key=lambda part: -part[1])[:number]

    def patches(self) -> list[Patch]:
        """Names of other modules and classes that the pack replaced or added something to."""
        found = []
        holders = {name.rpartition(".")[0] for name in self._before}
        for name, value in _callables():
            before = self._before.get(name)
            if before is None and self._is_own(_file_of(value)) and name.rpartition(".")[0] in holders:
                found.append(Patch(name, added=True))
            elif before is not None and before is not value and self._is_own(_file_of(value)):
                found.append(Patch(name))
        return found

    def modules(self) -> list[str]:
        """Top names, beside `custom_nodes`, of modules of the pack that an import statement can name."""
        tops = {
            name.partition(".")[0]
            for name, module in list(sys.modules.items())
            if self._is_own(str(getattr(module, "__file__", None) or ""))
        }
        return sorted(top for top in tops - {"custom_nodes"} if top.isidentifier())

    def _is_own(self, file: str) -> bool:
        return file == self._root or file.startswith(self._inside)

    def _where(self) -> str:
        """The innermost line of the pack that runs; empty where none does."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            file = frame.f_code.co_filename
            if self._is_own(file):
                shown = file.removeprefix(self._inside) if file != self._root else os.path.basename(file)
                return f"{shown}:{frame.f_lineno}"
            frame = frame.f_back
        return ""

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        told = _READERS.get(event)
        if told is None or getattr(self._deep, "busy", False):
            return
        self._deep.busy = True
        try:
            where = self._where()
            doing = told(event, arguments) if where else None
            if doing is not None:
                self.found[Doing(doing[0], doing[1].replace(self._inside, ""), where)] = None
        finally:
            self._deep.busy = False


Told = tuple[str, str] | None


def _opened(event: str, arguments: tuple[Any, ...]) -> Told:
    path, mode, flags = arguments
    writes = any(letter in mode for letter in WRITING) if isinstance(mode, str) else flags & (os.O_WRONLY | os.O_RDWR)
    shown = _path(path)
    if not writes or not shown or shown.startswith(UNREAL) or shown.endswith((".pyc", ".lock")):
        return None
    return "write", shown


def _changed(event: str, arguments: tuple[Any, ...]) -> Told:
    shown = _path(arguments[0])
    if shown.startswith(UNREAL) or (event == "os.mkdir" and os.path.isdir(shown)) or "__pycache__" in shown:
        return None
    return "write", f"{shown} ({event.removeprefix('os.')})"


def _connected(event: str, arguments: tuple[Any, ...]) -> Told:
    if event == "socket.connect":
        address = arguments[1]
        return ("network", f"{address[0]}:{address[1]}") if isinstance(address, tuple) else None
    if event in ("http.client.connect", "socket.getaddrinfo"):
        host, port = arguments[-2:] if event == "http.client.connect" else arguments[:2]
        return "network", f"{host}:{port}"
    return "network", str(arguments[0])


def _started(event: str, arguments: tuple[Any, ...]) -> Told:
    if event in ("os.fork", "os.forkpty"):
        return "program", "a copy of the process (fork)"
    if event == "subprocess.Popen":
        words = arguments[1] if arguments[1] is not None else [arguments[0]]
    elif event == "os.spawn":
        words = arguments[2]
    else:
        words = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], list | tuple) else arguments[0]
    listed = [words] if isinstance(words, str | bytes) else list(words)
    shown = [_path(word) for word in listed]
    names = [os.path.basename(word) for part in shown[:4] for word in part.split()]
    return ("pip" if any(name in PIP for name in names) else "program"), " ".join(shown)[:200]


def _set(event: str, arguments: tuple[Any, ...]) -> Told:
    return "variable", _path(arguments[0])


_READERS: Mapping[str, Callable[[str, tuple[Any, ...]], Told]] = {
    "open": _opened,
    **dict.fromkeys(CHANGES, _changed),
    **dict.fromkeys(NETWORK, _connected),
    **dict.fromkeys(PROGRAMS, _started),
    "os.putenv": _set,
}


def _path(value: object) -> str:
    if isinstance(value, bytes):
        return os.fsdecode(value)
    return "" if isinstance(value, int) else str(value)


def _callables() -> Iterator[tuple[str, object]]:
    """Every function and class of every module that is not the pack's, and what their classes hold."""
    for name, module in list(sys.modules.items()):
        if not isinstance(module, ModuleType) or name.startswith("custom_nodes"):
            continue
        for key, value in list(vars(module).items()):
            if callable(value):
                yield f"{name}.{key}", value
            if isinstance(value, type) and _shown_as_its(name, value):
                for inner, held in list(vars(value).items()):
                    plain = held.__func__ if isinstance(held, staticmethod | classmethod) else held
                    if callable(plain) or isinstance(plain, property):
                        yield f"{name}.{key}.{inner}", plain


def _shown_as_its(module: str, kind: type) -> bool:
    """Whether the class is the module's own; one of Limner's is that of the module of ComfyUI that it is found in."""
    own = str(getattr(kind, "__module__", ""))
    return own == module or (own.startswith(LIMNER) and not module.startswith(LIMNER))


def _file_of(value: Any) -> str:
    """The file that a function, or a class, was written in; also of what wraps one."""
    value = value.fget if isinstance(value, property) else value
    value = getattr(value, "func", value)  # functools.partial
    value = getattr(value, "__func__", value)
    if isinstance(value, FunctionType):
        return value.__code__.co_filename
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    return str(getattr(module, "__file__", None) or "")
