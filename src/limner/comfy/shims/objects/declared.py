"""Node classes in ComfyUI's form that Limner has code for: what they say of themselves comes from `interfaces`.

    @declared("FluxGuidance", "append")
    class FluxGuidance:
        def append(self, conditioning, guidance): ...

A class has its method under ComfyUI's name for it, and `execute` on the class itself besides, which gives a NodeOutput,
as newer nodes are called.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from limner.comfy.shims.interfaces import declarations
from limner.graph import FileChoices

T = TypeVar("T", bound=type)


def _files(choices: FileChoices) -> Any:
    return import_module("folder_paths").choices_of(choices)


def declared(node_type: str, method: str) -> Callable[[T], T]:
    """Give a class what ComfyUI's class of this node type declares."""

    def decorate(cls: T) -> T:
        for name, value in declarations(node_type, _files).items():
            setattr(cls, name, value)
        cls.FUNCTION = method  # type: ignore[attr-defined]
        cls.execute = classmethod(_execute(cls.__dict__[method]))  # type: ignore[attr-defined]
        return cls

    return decorate


def _execute(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def execute(cls: type, /, *args: Any, **kwargs: Any) -> Any:
        given = method(cls(), *args, **kwargs)
        values, ui = (given.get("result", ()), given.get("ui")) if isinstance(given, dict) else (given, None)
        return import_module("comfy_api.latest").io.NodeOutput(*values, ui=ui)

    return execute
