"""What is known of workers, and what jobs need of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Model: TypeAlias = tuple[str, str]
"""A kind of model and a file's name."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a job asks of the worker that runs it. `models` are also what it likes to find loaded.

    `memory` is in bytes of the device, about; 0 asks for nothing.
    """

    node_types: frozenset[str] = frozenset()
    models: frozenset[Model] = frozenset()
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a worker can run. `models` None: it searches the same folders as the server.

    `memory` is that of its device in bytes, 0 where that is not known; `device` what it is called.
    """

    node_types: frozenset[str] = frozenset()
    models: Mapping[str, frozenset[str]] | None = None
    memory: int = 0
    device: str = ""
    machine: str = ""
    everything: bool = field(default=False)
    """All node types: the server's own host, by which they are known."""

    def lacks(self, needs: Needs) -> str:
        """Why it cannot run such a job; nothing where it can."""
        missing = [] if self.everything else sorted(needs.node_types - self.node_types)
        if missing:
            return f"it has no node type {', '.join(missing[:3])}"
        if self.models is not None:
            for kind, name in sorted(needs.models):
                if name not in self.models.get(kind, ()):
                    return f"it has no {kind} model {name!r}"
        if self.memory and needs.memory > self.memory:
            return f"its device has {self.memory / 1e9:.1f} GB, and the models of the job take {needs.memory / 1e9:.1f}"
        return ""
