"""What ComfyUI's node classes say of themselves, from `interfaces.json`: of those, too, that Limner has no code for.

The file maps a node type to its `input` sections as `/object_info` gives them, `output`, `output_name`, `category`,
`display_name` and marks; `v3` says that the class is of ComfyUI's newer kind. `{"files": FOLDER}` in the place of an
input's choices are the files of that models folder. It is read when it is first asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from limner.graph import FileChoices

FILE = Path(__file__).with_name("interfaces.json")
MARKS = ("output_node", "deprecated", "experimental")


@cache
def interfaces() -> Mapping[str, Mapping[str, Any]]:
    """All of them, by node type."""
    return MappingProxyType(json.loads(FILE.read_text(encoding="utf-8")))


def declarations(node_type: str, listed: Callable[[FileChoices], Any]) -> dict[str, Any]:
    """The members of a V1 class of this type: INPUT_TYPES, RETURN_TYPES and the like; none for an unknown type."""
    found = interfaces().get(node_type)
    if found is None:
        return {}

    def input_types() -> dict[str, dict[str, Any]]:
        return {
            section: {name: _entry(entry, listed) for name, entry in entries.items()}
            for section, entries in found["input"].items()
        }

    members: dict[str, Any] = {
        "INPUT_TYPES": staticmethod(input_types),
        "RETURN_TYPES": tuple(found["output"]),
        "RETURN_NAMES": tuple(found.get("output_name", found["output"])),
        "OUTPUT_IS_LIST": tuple(found.get("output_is_list", [False] * len(found["output"]))),
        "CATEGORY": found["category"],
    }
    return members | {mark.upper(): True for mark in MARKS if found.get(mark)}


def _entry(entry: Any, listed: Callable[[FileChoices], Any]) -> Any:
    """As a class writes it; anew each time, since packs change what they get."""
    if not isinstance(entry, list):
        return entry
    kind, options = _listed(entry[0], listed), [dict(given) for given in entry[1:]]
    if options and "options" in options[0]:
        options[0]["options"] = _listed(options[0]["options"], listed)
    return (kind, *options)


def _listed(value: Any, listed: Callable[[FileChoices], Any]) -> Any:
    """The files of a folder, a list of choices, or a type."""
    if isinstance(value, dict):
        return listed(FileChoices(value["files"]))
    return list(value) if isinstance(value, list) else value
