"""Names of files that hold other nodes' values, `%KSampler.seed%`, as the editor fills them in for nodes that save.

Rules: a node is found by its `Node name for S&R`, which is its type where nothing else was chosen, or else by its
title; of several the first counts, those inside a subgraph before the subgraph itself. Characters that a file's name
cannot hold become underscores. Whatever names no node, no widget of it, or no two parts, stays: `%date:yyyy%` and
`%width%` are filled in when the file is saved.

Where inputs may be changed after the conversion, names become references first, `%3.seed%` with the node's id in the
prompt, and `with_values` fills those in at last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .promotion import Instance
from .sheet import Kind, Placed, Sheet

INPUT = "filename_prefix"
SAVING = frozenset(
    [
        "CLIPSave",
        "LoraSave",
        "ModelSave",
        "Save3DAdvanced",
        "SaveAnimatedPNG",
        "SaveAnimatedWEBP",
        "SaveAudio",
        "SaveAudioAdvanced",
        "SaveAudioMP3",
        "SaveAudioOpus",
        "SaveGLB",
        "SaveGaussianSplat",
        "SaveImage",
        "SaveImageAdvanced",
        "SaveLatent",
        "SavePointCloud",
        "SaveSVGNode",
        "SaveVideo",
        "SaveWEBM",
        "VAESave",
    ]
)
"""The nodes whose prefix the editor fills in; it names no others of this kind."""

_TOKEN = re.compile(r"%([^%]+)%")
_UNFIT = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_CHOSEN_NAME = "Node name for S&R"
Instances = Mapping[tuple[str, str], Instance]


@dataclass(frozen=True, slots=True)
class FileNames:
    """Fills in prefixes for one document, whose sheets are as `to_prompt` prepared them."""

    root: Sheet
    sheets: Mapping[str, Sheet]
    instances: Instances
    references: bool = False
    """Whether to leave references in place of values."""

    def filled(self, prefix: str) -> str:
        """The prefix with the values that it asks for."""
        return _TOKEN.sub(self._value, prefix)

    def _value(self, token: re.Match[str]) -> str:
        name, *rest = token.group(1).split(".")
        if len(rest) != 1:
            return token.group()
        nodes = self._nodes()
        found = [place for place in nodes if _chosen_name(place[1]) == name]
        found = found or [place for place in nodes if place[1].title == name]
        held = self._held(*found[0]) if found else {}
        if rest[0] not in held:
            return token.group()
        sheet, placed = found[0]
        if self.references and sheet is self.root and placed.kind is Kind.PLAIN:
            return f"%{placed.node.id}.{rest[0]}%"
        return file_name(held[rest[0]])

    def _nodes(self) -> list[tuple[Sheet, Placed]]:
        """The nodes of every sheet that is used, once each."""
        found: list[tuple[Sheet, Placed]] = []
        opened: set[str] = set()
        waiting = [(self.root, placed) for placed in reversed(self.root.nodes.values())]
        while waiting:
            sheet, placed = waiting.pop()
            if placed.kind is Kind.SUBGRAPH and placed.node.type not in opened:
                opened.add(placed.node.type)
                inner = self.sheets[placed.node.type]
                waiting.append((sheet, placed))
                waiting += [(inner, inside) for inside in reversed(inner.nodes.values())]
            else:
                found.append((sheet, placed))
        return found

    def _held(self, sheet: Sheet, placed: Placed) -> Mapping[str, Any]:
        """What the node's widgets hold, by name."""
        if placed.kind is Kind.SUBGRAPH:
            return self.instances[sheet.definition.id, placed.node.id].inputs
        if placed.kind is Kind.PRIMITIVE:
            return {"value": placed.node.values[0]} if placed.node.values else {}
        return sheet.values.get(placed.node.id, {})


def with_values(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """A prompt whose references are filled in with what its inputs hold now."""

    def value(token: re.Match[str]) -> str:
        node, _, name = token.group(1).partition(".")
        held = prompt[node]["inputs"].get(name) if node in prompt else None
        return token.group() if held is None or isinstance(held, list) else file_name(held)

    filled = dict(prompt)
    for node, entry in prompt.items():
        prefix = entry["inputs"].get(INPUT)
        if entry.get("class_type") in SAVING and isinstance(prefix, str):
            filled[node] = {**entry, "inputs": {**entry["inputs"], INPUT: _TOKEN.sub(value, prefix)}}
    return filled


def file_name(value: Any) -> str:
    """A widget's value as part of a file's name."""
    return _UNFIT.sub("_", _text(value))


def _chosen_name(placed: Placed) -> str:
    saved = placed.node.properties.get(_CHOSEN_NAME)
    if isinstance(saved, str):
        return saved
    return "" if placed.node.type in SAVING else placed.node.type


def _text(value: Any) -> str:
    """The value as JavaScript writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return ",".join(map(_text, value)) if isinstance(value, (list, tuple)) else str(value)
