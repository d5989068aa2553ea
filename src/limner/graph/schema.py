"""What a node type looks like from outside: its inputs, outputs and traits. Pure data, so that it crosses processes.

A schema is complete: `/object_info`, validation, the conversion of the editor and the planner read nothing else of it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Presence(enum.StrEnum):
    """The section of ComfyUI's INPUT_TYPES that an input stands in."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    HIDDEN = "hidden"


class Lane(enum.StrEnum):
    """Where a step may run; steps of different lanes overlap.

    DEVICE: one at a time per device. CPU: a thread pool. IO: files, encoding, network. ASYNC: coroutine nodes.
    """

    DEVICE = "device"
    CPU = "cpu"
    IO = "io"
    ASYNC = "async"


@dataclass(frozen=True, slots=True)
class FileChoices:
    """Choices that are the files of a folder, listed anew each time they are asked for.

    `folder` is a model folder's name (`checkpoints`, `loras`, ...) or one of `input`, `output`, `temp`. `kinds` keeps
    only files of these media kinds (`image`, `audio`, `video`), `annotated` lets a value carry a ` [output]` suffix;
    `extra` are fixed choices put before the files (such as `none`), `after` those put behind them.
    """

    folder: str
    kinds: tuple[str, ...] = ()
    annotated: bool = False
    extra: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    `type` is a socket type (see `sockets`); a combo has type `COMBO` and `choices`: its fixed values, or the folder
    that they are listed from. `options` is the JSON object that the editor gets beside the type (`default`, `min`,
    `max`, `step`, `round`, `multiline`, `tooltip`, `forceInput`, `lazy`, `rawLink`, ...), as ComfyUI has it.
    `combo_v3` says that the combo is written in ComfyUI's newer form (`["COMBO", {"options": [...]}]`).
    `explicit_options` says that the options object is written even when it is empty (`["IMAGE", {}]`, not `["IMAGE"]`).
    """

    name: str
    type: str
    presence: Presence = Presence.REQUIRED
    choices: tuple[object, ...] | FileChoices | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    combo_v3: bool = False
    explicit_options: bool = False

    @property
    def lazy(self) -> bool:
        """Whether the node decides at run time if it needs this input."""
        return bool(self.options.get("lazy"))

    @property
    def raw_link(self) -> bool:
        """Whether the node wants the link itself (`[node, output]`) in place of its value."""
        return bool(self.options.get("rawLink"))


@dataclass(frozen=True, slots=True)
class Output:
    """One output; `is_list` says that the node returns a list whose items flow on one by one."""

    name: str
    type: str
    is_list: bool = False
    tooltip: str | None = None
    choices: tuple[object, ...] | FileChoices | None = None
    """The values that an output of type COMBO takes, as `/object_info` shows them; None where it does not say."""


@dataclass(frozen=True, slots=True)
class Traits:
    """How a node behaves, as far as anything outside its host must know."""

    output: bool = False
    """Its result is wanted for itself: a run starts from such nodes."""
    volatile: bool = False
    """Never cached between runs, nor shared between equal nodes."""
    unshared: bool = False
    """Cached, but not shared between equal nodes of other ids (ComfyUI's NOT_IDEMPOTENT)."""
    list_wise: bool = False
    """INPUT_IS_LIST: called once with whole lists."""
    lane: Lane = Lane.DEVICE
    has_change_token: bool = False
    """IS_CHANGED / fingerprint_inputs: the host is asked for a token before each run."""
    has_validation: bool = False
    """VALIDATE_INPUTS: the host is asked before each run."""
    validated_inputs: tuple[str, ...] = ()
    """The inputs that the node's own validation names, so that the general checks leave them to it; `*` for all."""
    validates_types: bool = False
    """Its own validation takes `input_types`, so that link types are left to it."""
    takes_any_inputs: bool = False
    """Accepts inputs that its schema does not name (dict tricks in INPUT_TYPES)."""
    deprecated: bool = False
    experimental: bool = False
    api_node: bool = False


@dataclass(frozen=True, slots=True)
class NodeSchema:
    """A node type. `version` changes with its code, so that cached values of older code are not taken."""

    type: str
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    traits: Traits = field(default_factory=Traits)
    version: str = ""
    display_name: str = ""
    category: str = ""
    description: str = ""
    module: str = "nodes"
    """ComfyUI's python_module: `nodes`, `comfy_extras.nodes_mask`, `custom_nodes.<pack>`."""
    info: Mapping[str, object] = field(default_factory=dict)
    """Further JSON keys of its `/object_info` entry (`output_tooltips`, `essentials_category`, ...)."""
    v3: bool = False
    """Its `/object_info` entry has the form of ComfyUI's newer nodes: `deprecated`, `experimental` and `api_node` are
    always there, `display_name` is null where it has none, and a hidden input is a list (`["UNIQUE_ID"]`)."""

    def input(self, name: str) -> Input | None:
        return next((candidate for candidate in self.inputs if candidate.name == name), None)
