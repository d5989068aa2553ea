"""What a pack says of itself in its `pyproject.toml`, beside its code.

    [tool.limner]
    lane = "cpu"                      # of all its nodes

    [tool.limner.lanes]
    LoadManyPictures = "io"           # of one node type

A class may say the same with `LANE = "cpu"`, and the class wins. Without either, ComfyUI's nodes share the device lane,
one at a time, as their authors had one thread. Coroutine nodes stay in the async lane whatever is said.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from limner.graph import Lane, NodeSchema


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where a pack's nodes run: `default` all of them (None: as ever), `named` single types."""

    default: Lane | None = None
    named: Mapping[str, Lane] = field(default_factory=dict)

    def of(self, schema: NodeSchema, cls: type) -> NodeSchema:
        """The schema of a node of this class, with its lane."""
        lane = self.named.get(schema.type, self.default)
        if lane is None or hasattr(cls, "LANE") or schema.traits.lane is Lane.ASYNC:
            return schema
        return replace(schema, traits=replace(schema.traits, lane=lane))


def declared_lanes(pack: Path) -> Lanes:
    """Raises ValueError, with the file's name, where the manifest says what no lane is; without a manifest, nothing."""
    file = pack / "pyproject.toml"
    try:
        said = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("limner", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError):
        return Lanes()
    if not isinstance(said, Mapping):
        return Lanes()
    default = said.get("lane")
    named = said.get("lanes", {})
    if not isinstance(named, Mapping):
        raise ValueError(f"{file}: tool.limner.lanes is not a table of node types")
    return Lanes(
        None if default is None else _lane(default, file),
        {str(name): _lane(lane, file) for name, lane in named.items()},
    )


def _lane(said: Any, file: Path) -> Lane:
    choices = (Lane.DEVICE, Lane.CPU, Lane.IO)
    if said not in choices:
        raise ValueError(f"{file}: there is no lane {said!r} for a node; use one of {', '.join(choices)}")
    return Lane(said)
