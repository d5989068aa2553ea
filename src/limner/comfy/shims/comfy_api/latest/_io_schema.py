"""What a V3 node says of itself: its schema, and what it wants to know of the run."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ._io_base import Input, Output
from ._io_dynamic import sections


class Hidden(enum.StrEnum):
    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"
    auth_token_comfy_org = "AUTH_TOKEN_COMFY_ORG"
    api_key_comfy_org = "API_KEY_COMFY_ORG"


class HiddenHolder:
    """The hidden inputs that a schema asked for, in a call; None for any other."""

    def __init__(self, **values: Any) -> None:
        for name in Hidden.__members__:
            setattr(self, name, None)
        vars(self).update(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None

    @classmethod
    def from_dict(cls, values: Mapping[Any, Any] | None) -> HiddenHolder:
        """From values by the names of Hidden, such as `UNIQUE_ID`."""
        given = {str(getattr(key, "value", key)): value for key, value in (values or {}).items()}
        return cls(**{member.name: given.get(member.value) for member in Hidden})


@dataclass
class NodeInfoV1:
    """An entry of `/object_info`."""

    input: Any = None
    input_order: Any = None
    output: Any = None
    output_is_list: Any = None
    output_name: Any = None
    output_tooltips: Any = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    python_module: Any = None
    category: str | None = None
    output_node: bool | None = None
    deprecated: bool | None = None
    experimental: bool | None = None
    api_node: bool | None = None


@dataclass
class NodeInfoV3:
    input: Any = None
    output: Any = None
    hidden: Any = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    category: str | None = None
    output_node: bool | None = None
    deprecated: bool | None = None
    experimental: bool | None = None
    api_node: bool | None = None


@dataclass
class Schema:
    """A node. `hidden` are the facts of the run that it gets in `cls.hidden`.

    `is_output_node`: a run starts from it; it always gets the workflow. `is_input_list`: it is called once with whole
    lists. `not_idempotent`: equal nodes do not share results. `enable_expand`: it may return nodes to run in its place.
    `accept_all_inputs`: inputs that the schema does not name reach it, too.
    """

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] | None = None
    outputs: list[Output] | None = None
    hidden: list[Hidden] | None = None
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False
    accept_all_inputs: bool = False
    search_aliases: Sequence[str] = field(default_factory=list)
    is_dev_only: bool = False
    price_badge: Any = None
    essentials_category: str | None = None
    has_intermediate_output: bool = False

    def validate(self) -> None:
        """Raises ValueError where an id stands for two things."""
        inputs = [item.id for item in self.inputs or ()]
        outputs = [item.id for item in self.outputs or ()]
        twice = [name for several in (inputs, outputs) for name, number in Counter(several).items() if number > 1]
        shared = set(inputs) & set(outputs)
        if twice or shared:
            names = ", ".join(map(repr, [*twice, *sorted(map(str, shared))]))
            raise ValueError(f"node {self.node_id} has several inputs or outputs with the id {names}")
        for item in (*(self.inputs or ()), *(self.outputs or ())):
            item.validate()

    def finalize(self) -> None:
        """Add what its kind of node always gets, and ids of outputs that have none."""
        wanted: list[Hidden] = []
        if self.is_api_node:
            wanted += [Hidden.auth_token_comfy_org, Hidden.api_key_comfy_org]
        if self.is_output_node:
            wanted += [Hidden.prompt, Hidden.extra_pnginfo]
        if wanted:
            known = list(self.hidden or ())
            self.hidden = known + [entry for entry in wanted if entry not in known]
        for number, output in enumerate(self.outputs or ()):
            if output.id is None:
                output.id = f"_{number}_{output.io_type}_"

    def input_types(self) -> dict[str, Any]:
        """As V1 classes give it."""
        found: dict[str, Any] = sections(self.inputs or ())
        if self.hidden:
            found["hidden"] = {entry.name: (entry.value,) for entry in self.hidden}
        return found

    def get_v1_info(self, cls: Any) -> NodeInfoV1:
        inputs, outputs = self.input_types(), self.outputs or ()
        return NodeInfoV1(
            input=inputs,
            input_order={section: list(names) for section, names in inputs.items()},
            output=[output.io_type for output in outputs],
            output_is_list=[output.is_output_list for output in outputs],
            output_name=[output.display_name or output.io_type for output in outputs],
            output_tooltips=[output.tooltip or None for output in outputs],
            name=self.node_id,
            python_module=getattr(cls, "RELATIVE_PYTHON_MODULE", None) or "nodes",
            **self._general(),
        )

    def get_v3_info(self, cls: Any) -> NodeInfoV3:
        return NodeInfoV3(
            input={item.id: (item.get_io_type(), item.as_dict()) for item in self.inputs or ()},
            output={item.id: (item.get_io_type(), item.as_dict()) for item in self.outputs or ()},
            hidden=[entry.value for entry in self.hidden or ()],
            name=self.node_id,
            **self._general(),
        )

    def _general(self) -> dict[str, Any]:
        return {
            "display_name": self.display_name,
            "description": self.description,
            "category": self.category,
            "output_node": self.is_output_node,
            "deprecated": self.is_deprecated,
            "experimental": self.is_experimental,
            "api_node": self.is_api_node,
        }

    def more_info(self) -> dict[str, Any]:
        """Keys of `/object_info` that only some nodes have."""
        said: dict[str, Any] = {
            "search_aliases": list(self.search_aliases or ()),
            "dev_only": self.is_dev_only,
            "essentials_category": self.essentials_category,
            "has_intermediate_output": self.has_intermediate_output,
        }
        kinds = [getattr(getattr(output, "template", None), "template_id", None) for output in self.outputs or ()]
        return {key: value for key, value in said.items() if value} | (
            {"output_matchtypes": kinds} if any(kinds) else {}
        )


def as_plain(info: NodeInfoV1 | NodeInfoV3) -> dict[str, Any]:
    return asdict(info)
