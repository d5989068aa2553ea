"""The names of ComfyUI's modules, from `names.txt`: one line a module, its name and then what it holds.

`Name` is a class, `name()` a function, `name~` any other value; `Class=type:method` is a node class with its node type
and the name of its method (`Class=` where the type is the class's name and the method `execute`); `name@module:other`
is what a module imported from another, `name@module` a module that it imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

FILE = Path(__file__).with_name("names.txt")


@dataclass(frozen=True, slots=True)
class NodeName:
    """A node class: its node type and its method."""

    type: str
    method: str


@dataclass(frozen=True, slots=True)
class KnownModule:
    """What a module of ComfyUI holds. `kinds` maps a name to `class`, `function` or `value`.

    `imported` maps a name to (module, name there); no name means the module itself.
    """

    name: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, NodeName] = field(default_factory=dict)
    imported: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def parsed(text: str) -> dict[str, KnownModule]:
    """The modules of a text in the form that the module's docstring gives."""
    found = {}
    for line in text.splitlines():
        name, *entries = line.split(" ")
        kinds, nodes, imported = {}, {}, {}
        for entry in entries:
            if "@" in entry:
                here, _, source = entry.partition("@")
                module, _, there = source.partition(":")
                imported[here] = (module, there)
            elif "=" in entry:
                cls, _, rest = entry.partition("=")
                node_type, _, method = rest.partition(":")
                nodes[cls] = NodeName(node_type or cls, method or "execute")
            elif entry.endswith("()"):
                kinds[entry[:-2]] = "function"
            elif entry.endswith("~"):
                kinds[entry[:-1]] = "value"
            elif entry:
                kinds[entry] = "class"
        found[name] = KnownModule(name, kinds, nodes, imported)
    return found


@cache
def modules() -> Mapping[str, KnownModule]:
    """All of them, packages included."""
    return MappingProxyType(parsed(FILE.read_text(encoding="utf-8")))


@cache
def packages() -> frozenset[str]:
    """The names that have modules below them."""
    return frozenset(name.rpartition(".")[0] for name in modules() if "." in name) | {
        ".".join(name.split(".")[:depth]) for name in modules() for depth in range(1, name.count(".") + 1)
    }


@cache
def node_types() -> Mapping[str, str]:
    """ComfyUI's node types, each with the full name of its class."""
    return MappingProxyType(
        {node.type: f"{module.name}.{cls}" for module in modules().values() for cls, node in module.nodes.items()}
    )
