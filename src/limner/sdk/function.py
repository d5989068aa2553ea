"""A node made of a function: how a host's values become the function's arguments, and what it gives a result."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast

from limner.graph import NodeSchema, Presence

from .context import NodeContext
from .implementation import Blocked, Result
from .progress import drive, drive_async
from .questions import ask
from .signature import Signature

P = ParamSpec("P")
R = TypeVar("R")

NeedsCall = Callable[..., Sequence[str]]
"""Gets those inputs that it names, and `missing`, the lazy ones that are not there; says which of these it wants."""


class NodeFunction(Generic[P, R]):
    """A node made of a function: an `Implementation`, and still the function."""

    def __init__(
        self,
        function: Callable[P, R],
        schema: NodeSchema,
        signature: Signature,
        *,
        needs: NeedsCall | None = None,
        validate: Callable[..., str | None] | None = None,
        change_token: Callable[..., object] | None = None,
        names_lane: bool = False,
    ) -> None:
        self.function = function
        self.schema = schema
        self.names_lane = names_lane
        """Whether the author said in which lane it runs."""
        self.__name__ = getattr(function, "__name__", schema.type)
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self._context = signature.context
        visible = frozenset(entry.name for entry in schema.inputs if entry.presence is not Presence.HIDDEN)
        self._names = visible.difference(item.input.name for item in signature.parameters if item.unfolding)
        self._open = signature.open and schema.traits.takes_any_inputs
        self._choices = {item.input.name: item for item in signature.parameters if item.choices is not None}
        self._unfolding = tuple(item.unfolding for item in signature.parameters if item.unfolding is not None)
        self._single = _single(signature) if schema.traits.list_wise else frozenset()
        self._generator = inspect.isgeneratorfunction(function)
        self._series = inspect.isasyncgenfunction(function)
        self._async = inspect.iscoroutinefunction(function)
        self._needs, self._validate, self._token = needs, validate, change_token

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<node {self.schema.type}>"

    @property
    def cooperative(self) -> bool:
        """Whether it can look by itself if the run was interrupted: it takes a `NodeContext`, or yields progress."""
        return self._context is not None or self._generator or self._series

    def call(self, inputs: Mapping[str, object], context: NodeContext) -> Result | Awaitable[Result]:
        given = cast("Callable[..., Any]", self.function)(**self._arguments(inputs, context))
        if self._async:
            return self._finish(given)
        if self._series:
            return self._finish(drive_async(given, context))
        return self._result(drive(given, context) if self._generator else given)

    def _arguments(self, inputs: Mapping[str, object], context: NodeContext) -> dict[str, Any]:
        if self._single:
            inputs = {
                name: _only(name, value) if name.partition(".")[0] in self._single else value
                for name, value in inputs.items()
            }
        arguments = {name: value for name, value in inputs.items() if name in self._names or self._open}
        for name, parameter in self._choices.items():
            if name in arguments:
                arguments[name] = _chosen(name, parameter.choices or {}, arguments[name])
        for unfolding in self._unfolding:
            arguments |= unfolding.arguments(inputs)
        if self._context is not None:
            arguments[self._context] = context
        return arguments

    async def _finish(self, given: Awaitable[object]) -> Result:
        return self._result(await given)

    def _result(self, value: object) -> Result:
        if isinstance(value, Result):
            return value
        wanted = len(self.schema.outputs)
        if isinstance(value, Blocked):
            return Result((value,) * wanted)
        if wanted == 0 and value is None:
            return Result()
        if wanted == 1 and not (isinstance(value, tuple) and len(value) == 1):
            return Result((value,))
        if not isinstance(value, tuple):
            raise TypeError(f"{self.schema.type} gave {type(value).__name__}; it declares {wanted} outputs")
        return Result(value)

    def needs(self, inputs: Mapping[str, object], missing: Sequence[str], context: NodeContext) -> Sequence[str]:
        if self._needs is None:
            return ()
        return ask(self._needs, {**inputs, "inputs": inputs, "missing": missing}, context)

    def complaint(
        self, inputs: Mapping[str, object], input_types: Mapping[str, str], context: NodeContext
    ) -> str | None:
        literals = {name: value for name, value in inputs.items() if name not in input_types}
        for unfolding in self._unfolding:
            if (wrong := unfolding.complaint(literals, input_types)) is not None:
                return wrong
        return None if self._validate is None else ask(self._validate, inputs, context)

    def change_token(self, inputs: Mapping[str, object], context: NodeContext) -> object:
        return None if self._token is None else ask(self._token, inputs, context)


def _single(signature: Signature) -> frozenset[str]:
    """The inputs of a node that takes whole lists whose one item the function gets."""
    return frozenset(item.input.name for item in signature.parameters if not item.is_list)


def _only(name: str, value: object) -> object:
    """The one item of an input that is no list, of a node that takes whole lists. Raises ValueError."""
    if not isinstance(value, list):
        return value
    if len(value) != 1:
        raise ValueError(f"input '{name}' takes one value, and got {len(value)}; annotated `list[...]`, it takes all")
    return value[0]


def _chosen(name: str, choices: Mapping[object, object], value: object) -> object:
    """The enum's member, or the members. Raises ValueError for what is no choice."""
    several = value if isinstance(value, list) else [value]
    wrong = [item for item in several if item not in choices and item not in choices.values()]
    if wrong:
        raise ValueError(f"input '{name}' is {wrong[0]!r}; it can be {', '.join(map(str, choices))}")
    members = [choices.get(item, item) for item in several]
    return members if isinstance(value, list) else members[0]
