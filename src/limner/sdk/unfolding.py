"""Inputs that stand for others, as many or as few as the workflow has: the editor's dynamic inputs.

- `Growing`: inputs of one kind that become more as they are linked (`images.image0`, `images.image1`, ...); the
  function gets a dict of them, or keyword arguments.
- `Variants`: a choice among dataclasses that brings the chosen one's fields with it (`how`, `how.width`, ...); the
  function gets an object of that class.

The workflow names the inside ones by the outside one's name, a dot and their own. Their schemas stand in the outside
one's options, in the form that ComfyUI's editor draws them from; what is wrong with their values is said here, as the
general checks do not know them.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Union, get_args, get_origin, get_type_hints

from limner.graph import FileChoices, Input, Presence
from limner.graph.literals import check, convert, no_choices
from limner.graph.sockets import ANY, connects, only_linked

from .annotations import Declared, choice_for, choices_of, take_apart
from .widgets import Grow

GROWING, VARIANTS = "COMFY_AUTOGROW_V3", "COMFY_DYNAMICCOMBO_V3"
MOST = 100
"""Inputs that the editor lets grow out of one."""


class FieldInput(Protocol):
    """Makes an input of an annotation and a default (`signature.field_input`)."""

    def __call__(self, where: str, name: str, declared: Declared, default: object) -> Input: ...


class Unfolding(Protocol):
    """An input that stands for others."""

    @property
    def input(self) -> Input: ...

    def arguments(self, inputs: Mapping[str, object]) -> Mapping[str, object]:
        """The function's arguments. Raises ValueError where inputs are missing or wrong."""
        ...

    def complaint(self, inputs: Mapping[str, object], linked: Mapping[str, str]) -> str | None:
        """What is wrong with the literals, and with the socket types of what is linked."""
        ...


@dataclass(frozen=True, slots=True)
class Growing:
    """Inputs of one kind. `names` are the inside names, in order; at least the first `least` must be there."""

    input: Input
    element: Input
    names: tuple[str, ...]
    least: int
    spread: bool
    """Whether the function takes them as keyword arguments."""

    @classmethod
    def of(cls, where: str, name: str, element: Input, grow: Grow | None, *, spread: bool) -> Growing:
        grow = grow or Grow()
        prefix = grow.prefix or (name[:-1] if name.endswith("s") and len(name) > 1 else name)
        names = grow.names or tuple(f"{prefix}{number}" for number in range(grow.max))
        if not 0 <= grow.min <= len(names) <= MOST:
            raise TypeError(f"{where}: it grows from {grow.min} to {len(names)}; it can grow from 0 to {MOST}")
        inside = {("required" if grow.min else "optional"): {prefix: _spec(where, element, linked=True)}}
        span: dict[str, object] = {"names": list(names)} if grow.names else {"prefix": prefix, "max": grow.max}
        options: dict[str, object] = {"template": {"input": {"required": {}, **inside}, "min": grow.min, **span}}
        # The workflow never has an input of the outside name, so it cannot be required.
        return cls(Input(name, GROWING, Presence.OPTIONAL, options=options), element, names, grow.min, spread)

    def arguments(self, inputs: Mapping[str, object]) -> Mapping[str, object]:
        given = {
            name: inputs[f"{self.input.name}.{name}"] for name in self.names if f"{self.input.name}.{name}" in inputs
        }
        wrong = self._lacking(given)
        if wrong is not None:
            raise ValueError(wrong)
        return given if self.spread else {self.input.name: given}

    def complaint(self, inputs: Mapping[str, object], linked: Mapping[str, str]) -> str | None:
        prefix = f"{self.input.name}."
        there = [name for name in {**inputs, **linked} if name.startswith(prefix)]
        unknown = [name for name in there if name.removeprefix(prefix) not in self.names]
        if unknown:
            return f"{unknown[0]}: {self.input.name} grows to {prefix}{self.names[-1]}"
        wrong = (_complaint(dataclasses.replace(self.element, name=name), inputs, linked) for name in there)
        return next((text for text in wrong if text), None) or self._lacking(
            [name.removeprefix(prefix) for name in there]
        )

    def _lacking(self, given: Iterable[str]) -> str | None:
        missing = sorted(set(self.names[: self.least]) - set(given), key=self.names.index)
        return f"{self.input.name}.{missing[0]} is missing: link at least {self.least}" if missing else None


@dataclass(frozen=True, slots=True)
class Variants:
    """A choice among dataclasses, by their names. `default` is the object that stands in for no choice."""

    input: Input
    classes: Mapping[str, type[Any]]
    fields: Mapping[str, Sequence[Input]]
    """The inputs of each choice, by their own names."""
    default: object

    @classmethod
    def of(
        cls,
        where: str,
        name: str,
        classes: Sequence[type[Any]],
        options: Mapping[str, object],
        default: object,
        field_input: FieldInput,
    ) -> Variants:
        """The default's class comes first, as the editor begins with the first."""
        ordered = sorted(classes, key=lambda kind: not isinstance(default, kind))
        fields = {kind.__name__: _fields(where, kind, default, field_input) for kind in ordered}
        listed = [{"key": key, "inputs": _sections(where, inputs)} for key, inputs in fields.items()]
        given = Input(name, VARIANTS, options={**options, "options": listed})
        return cls(given, {kind.__name__: kind for kind in ordered}, fields, default)

    def arguments(self, inputs: Mapping[str, object]) -> Mapping[str, object]:
        name = self.input.name
        if name not in inputs and self.default is not inspect.Parameter.empty:
            return {name: self.default}
        wrong = self.complaint(inputs, {})
        if wrong is not None:
            raise ValueError(wrong)
        kind = self.classes[str(inputs[name])]
        given = {}
        for item in self.fields[kind.__name__]:
            if f"{name}.{item.name}" in inputs:
                value, _ = convert("", item, inputs[f"{name}.{item.name}"])
                base = take_apart(get_type_hints(kind, include_extras=True)[item.name]).base
                given[item.name] = (choices_of(base) or {}).get(value, value) if isinstance(base, type) else value
        return {name: kind(**given)}

    def complaint(self, inputs: Mapping[str, object], linked: Mapping[str, str]) -> str | None:
        name = self.input.name
        if name in linked:
            return f"{name} is a choice, and takes no link"
        key = inputs.get(name)
        if key not in self.classes:
            return f"{name} is {key!r}; it can be {', '.join(self.classes)}"
        for item in self.fields[str(key)]:
            inside = dataclasses.replace(item, name=f"{name}.{item.name}")
            there = inside.name in inputs or inside.name in linked
            wrong = _complaint(inside, inputs, linked) if there else _absent(item, inside.name, str(key))
            if wrong is not None:
                return wrong
        return None


def element_of(declared: Declared) -> Declared | None:
    """Of `dict[str, X]`, X; None for all else."""
    arguments = get_args(declared.base)
    if declared.marker is not None or get_origin(declared.base) is not dict or arguments[0] is not str:
        return None
    element = take_apart(arguments[1])
    return dataclasses.replace(element, grow=declared.grow or element.grow, options=declared.options or element.options)


def variants_in(declared: Declared) -> tuple[type[Any], ...]:
    """Of `A | B`, where these are dataclasses, both; nothing for all else."""
    if declared.marker is not None or get_origin(declared.base) not in (Union, types.UnionType):
        return ()
    members = get_args(declared.base)
    return members if all(isinstance(kind, type) and dataclasses.is_dataclass(kind) for kind in members) else ()


def _fields(where: str, kind: type[Any], default: object, field_input: FieldInput) -> tuple[Input, ...]:
    """The inputs of a dataclass. Values of the object that is the default win over what the fields say."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for entry in (entry for entry in dataclasses.fields(kind) if entry.init):
        declared, chosen = take_apart(hints[entry.name]), getattr(default, entry.name, None)
        item = field_input(f"{where}, {kind.__name__}.{entry.name}", entry.name, declared, _default_of(entry))
        if isinstance(default, kind) and chosen is not None:
            item = dataclasses.replace(item, options={**item.options, "default": choice_for(declared.base, chosen)})
        found.append(item)
    return tuple(found)


def _default_of(entry: dataclasses.Field[Any]) -> object:
    if entry.default is not dataclasses.MISSING:
        return entry.default
    return inspect.Parameter.empty if entry.default_factory is dataclasses.MISSING else entry.default_factory()


def _sections(where: str, inputs: Sequence[Input]) -> dict[str, dict[str, object]]:
    sections: dict[str, dict[str, object]] = {"required": {}}
    for item in inputs:
        sections.setdefault(item.presence.value, {})[item.name] = _spec(where, item)
    return sections


def _spec(where: str, item: Input, *, linked: bool = False) -> list[object]:
    """As `/object_info` has it. `linked`: it is a socket, whatever its type."""
    options = {**item.options, **({"forceInput": True} if linked and not only_linked(item.type) else {})}
    if isinstance(item.choices, FileChoices):
        raise TypeError(f"{where}: files of a folder cannot be chosen inside of a dynamic input")
    if item.choices is not None:
        return [item.type, {**options, "options": list(item.choices)}]
    return [item.type, options]


def _complaint(item: Input, inputs: Mapping[str, object], linked: Mapping[str, str]) -> str | None:
    if item.name in linked:
        kind = linked[item.name]
        fits = connects(kind, item.type) or kind == ANY
        return None if fits else f"{item.name} takes {item.type}, and is linked to {kind}"
    value: Any = inputs[item.name]
    value, problem = convert("", item, value)
    problem = problem or check("", item, value, no_choices)
    return None if problem is None else f"{item.name}: {problem.message}. {problem.remedy}"


def _absent(item: Input, name: str, key: str) -> str | None:
    lacking = item.presence is Presence.REQUIRED and "default" not in item.options
    return f"{name} is missing, which {key} needs" if lacking else None
