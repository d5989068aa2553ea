"""Stand-ins for what ComfyUI has and Limner does not: they can be imported and inherited, not used.

Packs import names at their top that only some of their nodes use. A stand-in lets such a pack load; what uses it
raises one error that names the pack, the name and the remedy.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any

from limner.graph import FileChoices

from .interfaces import declarations
from .known import node_types

REMEDY = (
    "it works with a ComfyUI folder of yours as node library (`limner serve --comfyui PATH`), which runs the pack over "
    "ComfyUI's own modules"
)

CONTRACT = frozenset(
    {"INPUT_TYPES", "RETURN_TYPES", "RETURN_NAMES", "FUNCTION", "CATEGORY", "DESCRIPTION", "OUTPUT_NODE"}
    | {"OUTPUT_IS_LIST", "INPUT_IS_LIST", "OUTPUT_TOOLTIPS", "DEPRECATED", "EXPERIMENTAL", "API_NODE"}
    | {"NOT_IDEMPOTENT", "SEARCH_ALIASES", "IS_CHANGED", "VALIDATE_INPUTS", "check_lazy_status"}
    | {"fingerprint_inputs", "validate_inputs", "define_schema"}
)
"""What node classes declare: a pack's class that inherits an absent one has only what it declares itself."""


class NotAvailable(NotImplementedError):
    """A pack used a part of ComfyUI that is not here."""

    def __init__(self, name: str, pack: str | None) -> None:
        who = f"the pack {pack!r}" if pack else "a pack"
        super().__init__(f"{who} uses {name}, an inner part of ComfyUI that Limner does not have: {REMEDY}")
        self.name, self.pack = name, pack


def calling_pack() -> str | None:
    """The pack whose code is running, the innermost, by the name that it is imported by."""
    folders = [os.path.join(folder, "") for folder in getattr(sys.modules.get("custom_nodes"), "__path__", ())]
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        top, _, rest = str(frame.f_globals.get("__name__", "")).partition(".")
        if top == "custom_nodes" and rest:
            return rest.split(".")[0]
        file = frame.f_code.co_filename  # of modules that a pack imports by names of their own
        inside = next((file[len(folder) :] for folder in folders if file.startswith(folder)), "")
        if inside:
            return re.sub(r"\W", "_", inside.split(os.sep)[0].removesuffix(".py"))
        frame = frame.f_back
    return None


class AbsentType(type):
    """The class of absent classes: their attributes are absent too, so that they can be replaced at import.

    An object is one of `like` where that is given: what stands in their place here.
    """

    qualified: str
    like: type | None

    def __instancecheck__(cls, instance: object) -> bool:
        like = cls.__dict__.get("like")
        return super().__instancecheck__(instance) or (like is not None and isinstance(instance, like))

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_") or name in CONTRACT:
            raise AttributeError(f"{cls.qualified} has no {name}")
        return AbsentFunction(f"{cls.qualified}.{name}")


class AbsentFunction:
    """A function or value that is not here. Anything done with it raises `NotAvailable`."""

    def __init__(self, qualified: str) -> None:
        self.__name__ = qualified.rpartition(".")[2]
        self.__qualname__ = self.__name__
        self.qualified = qualified

    def __repr__(self) -> str:
        return f"<{self.qualified}, not available>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotAvailable(self.qualified, calling_pack())

    def __iter__(self) -> Any:
        raise NotAvailable(self.qualified, calling_pack())

    def __getitem__(self, key: Any) -> Any:
        raise NotAvailable(self.qualified, calling_pack())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return AbsentFunction(f"{self.qualified}.{name}")


def absent_class(qualified: str, like: type | None = None) -> type:
    """A class that can be inherited and tested against; making an object of it raises `NotAvailable`."""

    def refuse(self: object, *args: Any, **kwargs: Any) -> None:
        raise NotAvailable(qualified, calling_pack())

    module, _, name = qualified.rpartition(".")
    return AbsentType(name, (), {"__init__": refuse, "__module__": module, "qualified": qualified, "like": like})


def absent_node(qualified: str, node_type: str, method: str, listed: Callable[[FileChoices], Any]) -> type:
    """A node class that says of itself what ComfyUI's does, and cannot run: packs inherit and describe it.

    `listed` gives the files of an input that lists some.
    """
    cls = absent_class(qualified)
    for name, value in declarations(node_type, listed).items():
        setattr(cls, name, value)
    cls.FUNCTION = method  # type: ignore[attr-defined]
    return cls


def absent(qualified: str, kind: str) -> Any:
    """The stand-in for a `class`, `function` or `value`."""
    return absent_class(qualified) if kind == "class" else AbsentFunction(qualified)


class NodeClasses(dict[str, Any]):
    """Node type -> class. A type that only ComfyUI has is not in it, and asked for it gives an absent class."""

    def __missing__(self, node_type: str) -> Any:
        if node_type not in node_types():
            raise KeyError(node_type)
        module, _, name = node_types()[node_type].rpartition(".")
        return getattr(import_module(module), name)
