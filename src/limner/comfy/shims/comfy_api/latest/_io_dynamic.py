"""Inputs of the V3 interface whose type or number the workflow decides.

The editor sends the inputs that a dynamic one unfolds to under its id and a dot (`images.image0`); the node gets them
gathered as one dict under that id.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ._io_base import ComfyType, ComfyTypeI, ComfyTypeIO, Input, Output, WidgetInput, comfytype, said


def sections(inputs: Sequence[Input]) -> dict[str, dict[str, tuple[Any, dict[str, Any]]]]:
    """Inputs in the form of INPUT_TYPES."""
    found: dict[str, dict[str, tuple[Any, dict[str, Any]]]] = {"required": {}}
    for item in inputs:
        options = item.as_dict()
        options.pop("optional", None)
        found.setdefault("optional" if item.optional else "required", {})[item.id] = (item.get_io_type(), options)
    return found


class DynamicInput(Input):
    """An input that unfolds to others, as the workflow has it."""

    def get_dynamic(self) -> list[Input]:
        return [self]


class DynamicOutput(Output):
    """An output whose type the workflow decides."""

    def get_dynamic(self) -> list[Output]:
        return [self]


def _without_dynamic(inputs: Sequence[Input], where: str) -> None:
    if any(isinstance(item, DynamicInput) for item in inputs):
        raise ValueError(f"the inputs of {where} cannot be dynamic ones themselves")


class _AutogrowTemplate:
    """What each of the inputs looks like, and how many there may be."""

    MOST = 100

    def __init__(self, input: Input, names: Sequence[str], min: int) -> None:
        _without_dynamic([input], "a template of Autogrow")
        if not 0 <= min <= len(names) <= self.MOST:
            raise ValueError(f"Autogrow has {min} to {len(names)} inputs; it can have 0 to {self.MOST}")
        self.input = copy.copy(input)
        if isinstance(self.input, WidgetInput):
            self.input.force_input = True
        self.names, self.min = list(names), min

    def as_dict(self) -> dict[str, Any]:
        return {"input": sections([self.input]), "min": self.min}


class _TemplatePrefix(_AutogrowTemplate):
    """Inputs named `prefix0`, `prefix1`, ..."""

    def __init__(self, input: Input, prefix: str, min: int = 1, max: int = 10) -> None:
        super().__init__(input, [f"{prefix}{number}" for number in range(max)], min)
        self.prefix, self.max = prefix, max

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"prefix": self.prefix, "max": self.max}


class _TemplateNames(_AutogrowTemplate):
    """Inputs with these names."""

    def __init__(self, input: Input, names: Sequence[str], min: int = 1) -> None:
        super().__init__(input, names, min)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"names": self.names}


class _AutogrowInput(DynamicInput):
    def __init__(self, id: str, template: _AutogrowTemplate, *args: Any, **kwargs: Any) -> None:
        super().__init__(id, *args, **kwargs)
        self.template = template

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"template": self.template.as_dict()}

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises ValueError where inputs are missing that there must be."""
        missing = [name for name in self.template.names[: self.template.min] if name not in given]
        if missing and not self.optional and not self.template.input.optional:
            raise ValueError(f"input '{self.id}.{missing[0]}' is missing: {self.id} needs {self.template.min} of them")


@comfytype("COMFY_AUTOGROW_V3")
class Autogrow(ComfyTypeI):
    """As many inputs of one kind as are linked; the node gets a dict of them."""

    Type = dict[str, Any]
    TemplatePrefix = _TemplatePrefix
    TemplateNames = _TemplateNames
    Input = _AutogrowInput


class _Option:
    """A choice of a DynamicCombo, and the inputs that there are when it is chosen."""

    def __init__(self, key: str, inputs: Sequence[Input]) -> None:
        self.key, self.inputs = key, list(inputs)

    def as_dict(self) -> dict[str, Any]:
        return {"key": self.key, "inputs": sections(self.inputs)}


class _DynamicComboInput(DynamicInput):
    def __init__(self, id: str, options: Sequence[_Option], *args: Any, **kwargs: Any) -> None:
        super().__init__(id, *args, **kwargs)
        self.options = list(options)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"options": [option.as_dict() for option in self.options]}

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises ValueError for a choice that there is not, or whose inputs are missing."""
        chosen = next((option for option in self.options if option.key == given.get(self.id)), None)
        if chosen is None:
            known = ", ".join(option.key for option in self.options)
            raise ValueError(f"input '{self.id}' is {given.get(self.id)!r}; it can be {known}")
        for item in chosen.inputs:
            if not item.optional and not isinstance(item, DynamicInput) and item.id not in given:
                raise ValueError(f"input '{self.id}.{item.id}' is missing: {self.id} is {chosen.key}")


@comfytype("COMFY_DYNAMICCOMBO_V3")
class DynamicCombo(ComfyTypeI):
    """A choice that decides what other inputs there are; the node gets a dict of it and them."""

    Type = dict[str, Any]
    Option = _Option
    Input = _DynamicComboInput


class _SlotInput(DynamicInput):
    def __init__(self, slot: Input, inputs: Sequence[Input], *args: Any, **kwargs: Any) -> None:
        super().__init__(slot.id, *args, **kwargs)
        self.slot, self.inputs, self.optional = slot, list(inputs), True

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {
            "slotType": str(self.slot.get_io_type()),
            "inputs": sections(self.inputs),
            "forceInput": True,
        }


@comfytype("COMFY_DYNAMICSLOT_V3")
class DynamicSlot(ComfyTypeI):
    """A socket that brings other inputs with it when it is linked."""

    Type = dict[str, Any]
    Input = _SlotInput


class _MatchTemplate:
    """Inputs and outputs with the same template have the same type, one of `allowed_types`."""

    def __init__(self, template_id: str, allowed_types: Any = None) -> None:
        self.template_id = template_id
        several = allowed_types if isinstance(allowed_types, list | tuple) else [allowed_types]
        self.allowed_types = [kind for kind in several if kind is not None]

    def as_dict(self) -> dict[str, Any]:
        kinds = dict.fromkeys(str(kind.io_type) for kind in self.allowed_types)
        return {"template_id": self.template_id, "allowed_types": ",".join(kinds) or "*"}


class _MatchInput(DynamicInput):
    def __init__(self, id: str, template: _MatchTemplate, *args: Any, **kwargs: Any) -> None:
        super().__init__(id, *args, **kwargs)
        self.template = template

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"template": self.template.as_dict()}


class _MatchOutput(DynamicOutput):
    def __init__(
        self,
        template: _MatchTemplate | str,
        id: Any = None,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        if isinstance(template, str):  # an older order: the id came first
            template, id = id, template
        super().__init__(id, display_name, tooltip, is_output_list)
        self.template: Any = template

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"template": self.template.as_dict()}


@comfytype("COMFY_MATCHTYPE_V3")
class MatchType(ComfyTypeIO):
    """Sockets that take the type of whatever is linked first."""

    Template = _MatchTemplate
    Input = _MatchInput
    Output = _MatchOutput


class _MultiInput(Input):
    """`id` may be an input with a widget, which is then drawn."""

    def __init__(self, id: Any, types: Sequence[Any], *args: Any, **kwargs: Any) -> None:
        self.input_override: Input | None = copy.copy(id) if isinstance(id, Input) else None
        super().__init__(id.id if isinstance(id, Input) else id, *args, **kwargs)
        given = self.input_override
        if given is not None:
            self.optional = given.optional or self.optional
            for name in ("tooltip", "display_name", "lazy"):
                value = getattr(given, name)
                setattr(self, name, getattr(self, name) if value is None else value)
            if isinstance(given, WidgetInput):
                given.widget_type = given.get_io_type()
        self._io_types = list(types)

    @property
    def io_types(self) -> list[Any]:
        return [kind if isinstance(kind, type) else type(kind) for kind in self._io_types]

    def get_io_type(self) -> str:
        names = [str(kind.io_type) for kind in self.io_types]
        if self.input_override is not None:
            names.insert(0, str(self.input_override.get_io_type()))
        return ",".join(dict.fromkeys(names))

    def as_dict(self) -> dict[str, Any]:
        own = super().as_dict()
        return own if self.input_override is None else self.input_override.as_dict() | own


@comfytype("COMFY_MULTITYPED_V3")
class MultiType(ComfyType):
    """An input that takes several types."""

    Input = _MultiInput


def gathered(dynamic: Sequence[Input], given: Mapping[str, Any], *, checked: bool = True) -> dict[str, Any]:
    """What the node gets: values of unfolded inputs in a dict under the id of the dynamic one.

    Raises ValueError for missing ones, if `checked`.
    """
    inputs = dict(given)
    for item in dynamic:
        if isinstance(item, _MatchInput):
            continue
        prefix = f"{item.id}."
        parts = {name.removeprefix(prefix): inputs.pop(name) for name in list(inputs) if name.startswith(prefix)}
        if isinstance(item, _DynamicComboInput | _SlotInput) and item.id in inputs:
            parts = {item.id: inputs[item.id], **parts}
        parts = _nested(item, parts, checked=checked)
        if checked and isinstance(item, _AutogrowInput | _DynamicComboInput):
            item.check(parts)
        if parts or not isinstance(item, _SlotInput):
            inputs[item.id] = parts
    return inputs


def _nested(item: Input, parts: dict[str, Any], *, checked: bool) -> dict[str, Any]:
    """The dynamic inputs among the inputs of a choice."""
    if not isinstance(item, _DynamicComboInput):
        return parts
    chosen = next((option for option in item.options if option.key == parts.get(item.id)), None)
    inner = [entry for entry in chosen.inputs if isinstance(entry, DynamicInput)] if chosen is not None else []
    return gathered(inner, parts, checked=checked) if inner else parts


__all__ = [
    "Autogrow",
    "DynamicCombo",
    "DynamicInput",
    "DynamicOutput",
    "DynamicSlot",
    "MatchType",
    "MultiType",
    "gathered",
    "said",
    "sections",
]
