"""What `limner packs check` finds out of a pack."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

KINDS = ("network", "pip", "program", "write", "thread", "variable")
"""What a pack can do while it is imported."""


class Doing(msgspec.Struct, frozen=True):
    """One thing that a pack did while it was imported: which of `KINDS`, what, and in which line of the pack."""

    kind: str
    what: str
    where: str = ""


class Patch(msgspec.Struct, frozen=True):
    """A name in another module that the pack put something else in place of, or added."""

    name: str
    added: bool = False


class Requirement(msgspec.Struct, frozen=True):
    """A line of the pack's requirements, and the version that is there; empty where there is none."""

    line: str
    version: str = ""
    met: bool = False


class Missing(msgspec.Struct, frozen=True):
    """A name of ComfyUI that the pack asks for and that does not act here; `known`: ComfyUI 0.3.64 has it."""

    name: str
    known: bool
    places: Sequence[str] = ()


class Report(msgspec.Struct, frozen=True):
    """All of it. `seconds` is how long the import took, less what a host has imported anyway; `slow` its longest parts.

    `problems` keep the pack, or some of its nodes, from loading. `refused` tells whether it was kept from the network
    and from writing elsewhere, so that what it tried there failed.
    """

    name: str
    seconds: float = 0.0
    slow: Sequence[tuple[str, float]] = ()
    nodes: Sequence[str] = ()
    replaced: Sequence[str] = ()
    """Node types that another pack or Limner has too."""
    routes: Sequence[str] = ()
    """`GET /path` of each HTTP route that it serves."""
    problems: Sequence[str] = ()
    traceback: str = ""
    missing: Sequence[Missing] = ()
    doings: Sequence[Doing] = ()
    patches: Sequence[Patch] = ()
    modules: Sequence[str] = ()
    """Top names of modules that it brings beside its own, where other packs may mean others."""
    requirements: Sequence[Requirement] = ()
    refused: str = ""

    @property
    def loads(self) -> bool:
        """Whether all of it loads."""
        return not self.problems
