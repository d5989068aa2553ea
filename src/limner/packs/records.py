"""`.limner.toml` beside the packs: where each came from, what its user decided, and which packages there are for them.

    packages = "5f1c0e9a2b7d"

    [packs."ComfyUI-Something"]
    source = "git"
    url = "https://example.com/ComfyUI-Something.git"
    isolate = true

`limner.comfy.manifest` reads the same file, for what was decided. A pack that nobody recorded is one that the user put
there by hand, or by another program. Entries that we do not know are kept.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import PackProblem
from .places import RECORDS

HEAD = """\
# Written by `limner packs`: where the packs beside this file came from, and what was decided about them.
"""


@dataclass(frozen=True, slots=True)
class Records:
    """Tables by pack, and the name of the set of packages; both as they are in the file."""

    packs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    packages: str = ""
    other: Mapping[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> Mapping[str, Any]:
        return self.packs.get(name, {})

    def having(self, name: str, **values: Any) -> Records:
        """With these values of a pack; None takes one away."""
        table = {key: value for key, value in {**self.of(name), **values}.items() if value is not None}
        return replace(self, packs={**self.packs, name: table})

    def without(self, name: str) -> Records:
        return replace(self, packs={key: table for key, table in self.packs.items() if key != name})

    def written(self) -> str:
        """As text of the file; empty where there is nothing to say."""
        tables = {name: table for name, table in self.packs.items() if table}
        top = {**({"packages": self.packages} if self.packages else {}), **self.other}
        if not tables and not top:
            return ""
        lines = [HEAD, *(_entries(top)), *([""] if top and tables else [])]
        for name, table in sorted(tables.items()):
            lines += [f"[packs.{_text(name)}]", *_entries(table), ""]
        return "\n".join(lines).rstrip() + "\n"


def read_records(folder: Path) -> Records:
    """Raises PackProblem for a file that is damaged: what stands in it was decided by somebody."""
    file = folder / RECORDS
    try:
        said = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return Records()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PackProblem(f"{file} cannot be read: {error}", "Mend it, or move it away") from error
    packs, packages = said.pop("packs", {}), said.pop("packages", "")
    if not isinstance(packs, dict) or not all(isinstance(table, dict) for table in packs.values()):
        raise PackProblem(f"{file}: packs is no table of tables", "Mend it, or move it away")
    return Records(packs, str(packages), said)


def _entries(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{_text(key)} = {toml(value)}"


def _text(name: str) -> str:
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if plain else toml(name)


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(str(key))} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
