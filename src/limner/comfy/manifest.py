"""What a pack says of itself, and what its user decided about it.

A pack says it in a `limner.toml` beside its code, or under `[tool.limner]` in its `pyproject.toml`:

    lane = "cpu"                          # of all its nodes
    isolate = true                        # a host and an environment of its own
    python = "3.12"                       # of that environment; Limner's own version without it
    requirements = ["numpy<2"]            # of that environment, in place of requirements.txt and [project]
    permissions = { network = true, folders = ["models"], subprocess = false }

    [lanes]
    LoadManyPictures = "io"               # of one node type

Rules:

- `limner.toml` wins over `pyproject.toml`, key by key; what the user decided wins over both. The user's decisions stand
  in `.limner.toml` in the folder that holds the packs, under `[packs.NAME]`; `limner packs` writes it.
- A pack is isolated where it says so. Where nobody says, one that has a `limner.toml` is, and one that names a Python,
  requirements or permissions under `[tool.limner]`.
- A class may name its lane itself, by `LANE = "cpu"`, and wins. Without a word, ComfyUI's nodes share the device lane,
  one at a time, as their authors had one thread. Coroutine nodes stay in the async lane whatever is said.
- Permissions that are not declared are not restricted. Of those that are, what is left out is refused.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from limner.graph import Lane, NodeSchema

FILE = "limner.toml"
DECISIONS = ".limner.toml"
"""In the folder that holds the packs."""
ISOLATING = ("python", "requirements", "permissions")
"""What is said of an environment of the pack's own."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where a pack's nodes run: `default` all of them (None: as ever), `named` single types."""

    default: Lane | None = None
    named: Mapping[str, Lane] = field(default_factory=dict)

    def of(self, schema: NodeSchema, cls: object) -> NodeSchema:
        """The schema of a node of this class, with its lane."""
        lane = self.named.get(schema.type, self.default)
        if lane is None or hasattr(cls, "LANE") or schema.traits.lane is Lane.ASYNC:
            return schema
        return replace(schema, traits=replace(schema.traits, lane=lane))


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a pack in a host of its own may do. `folders` are those that it may write, beside its own and temp."""

    network: bool = False
    folders: tuple[str, ...] = ()
    subprocess: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is said of a pack.

    `python` is a version (`3.12`) or a specifier (`>=3.11`), empty for Limner's own. `requirements` None stands for
    those of the pack's `requirements.txt` and `[project]`. `permissions` None: nothing is restricted.
    """

    lanes: Lanes = field(default_factory=Lanes)
    isolate: bool = False
    python: str = ""
    requirements: tuple[str, ...] | None = None
    permissions: Permissions | None = None


def read_manifest(pack: Path) -> Manifest:
    """What is said of a pack (a folder or a `.py` file). Raises ValueError, with the file's name, for nonsense."""
    said: dict[str, Any] = {}
    where: dict[str, Path] = {}
    own = pack / FILE
    for file, table in ((pack / "pyproject.toml", _project(pack)), (own, _own(own)), _decided(pack)):
        said |= table
        where |= dict.fromkeys(table, file)
    isolate = said.get("isolate", own.is_file() or any(key in said for key in ISOLATING))
    return Manifest(
        lanes=_lanes(said, where),
        isolate=_is(isolate, bool, "isolate", where),
        python=_is(said.get("python", ""), str, "python", where),
        requirements=_texts(said["requirements"], "requirements", where) if "requirements" in said else None,
        permissions=_permissions(said["permissions"], where) if "permissions" in said else None,
    )


def private_name(pack: str) -> str:
    """The folder, among those of the packs with hosts of their own, that a pack of this name keeps its things in."""
    return re.sub(r"[^\w.-]", "_", pack)


def declared_lanes(pack: Path) -> Lanes:
    """Raises ValueError, with the file's name, where the manifest says what no lane is; without a manifest, nothing."""
    return read_manifest(pack).lanes


def _project(pack: Path) -> dict[str, Any]:
    """`[tool.limner]`; a `pyproject.toml` that is none is the business of other tools."""
    try:
        tool = tomllib.loads((pack / "pyproject.toml").read_text("utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
    said = tool.get("limner") if isinstance(tool, Mapping) else None
    return dict(said) if isinstance(said, Mapping) else {}


def _own(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is not TOML: {error}") from error


def _decided(pack: Path) -> tuple[Path, dict[str, Any]]:
    file = pack.parent / DECISIONS
    packs = _own(file).get("packs", {})
    name = pack.stem if pack.suffix == ".py" else pack.name
    table = packs.get(name) if isinstance(packs, Mapping) else None
    return file, dict(table) if isinstance(table, Mapping) else {}


def _is(value: Any, kind: type[Any], key: str, where: Mapping[str, Path]) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where[key]}: {key} is {value!r}, and must be a {kind.__name__}")
    return value


def _texts(value: Any, key: str, where: Mapping[str, Path]) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{where[key]}: {key} is no list of texts")
    return tuple(value)


def _permissions(said: Any, where: Mapping[str, Path]) -> Permissions:
    file = where["permissions"]
    if not isinstance(said, Mapping) or not set(said) <= {"network", "folders", "subprocess"}:
        raise ValueError(f"{file}: permissions is a table of network, folders and subprocess")
    inner = dict.fromkeys(said, file)
    return Permissions(
        network=_is(said.get("network", False), bool, "network", inner),
        folders=_texts(said.get("folders", ()), "folders", inner),
        subprocess=_is(said.get("subprocess", False), bool, "subprocess", inner),
    )


def _lanes(said: Mapping[str, Any], where: Mapping[str, Path]) -> Lanes:
    default, named = said.get("lane"), said.get("lanes", {})
    if not isinstance(named, Mapping):
        raise ValueError(f"{where['lanes']}: lanes is not a table of node types")
    return Lanes(
        None if default is None else _lane(default, where["lane"]),
        {str(name): _lane(lane, where["lanes"]) for name, lane in named.items()},
    )


def _lane(said: Any, file: Path) -> Lane:
    choices = (Lane.DEVICE, Lane.CPU, Lane.IO)
    if said not in choices:
        raise ValueError(f"{file}: there is no lane {said!r} for a node; use one of {', '.join(choices)}")
    return Lane(said)
