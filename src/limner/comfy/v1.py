"""ComfyUI's V1 node classes as implementations.

An object of the class is made for each node of a graph and kept between runs, as nodes keep state in `self`. What the
method returns is a tuple of outputs, or a dict with `ui`, `result` and `expand`; ExecutionBlockers become `Blocked`.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from limner.graph import NodeSchema, Presence
from limner.plugins.context import CallContext
from limner.plugins.plain import made_plain
from limner.sdk import NodeContext, Result

from .boundary import to_pack
from .v1_hidden import hidden_value
from .v1_results import result_of, with_lists
from .v1_schema import function_name, schema_of, takes_any_keyword

KEPT = 1024
"""Objects of one class that are kept; beyond that, those that were used longest ago go."""


class V1Node:
    """A V1 class as an `Implementation`."""

    def __init__(self, node_type: str, cls: type, *, display_name: str = "", module: str = "nodes") -> None:
        """Raises what the class's INPUT_TYPES raises."""
        self.cls: Any = cls
        self.schema: NodeSchema = schema_of(node_type, cls, display_name=display_name, module=module)
        self._function = function_name(cls)
        self._hidden = tuple((item.name, item.type) for item in self.schema.inputs if item.presence is Presence.HIDDEN)
        self._objects: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._check = getattr(cls, "check_lazy_status", None) is not None
        self.asks_each_time = self._check
        """Whether it is asked for its needs before each call."""
        self._list_wise = self.schema.traits.list_wise
        self.takes_undeclared_links = takes_any_keyword(getattr(cls, self._function, None))
        """Whether links to inputs that INPUT_TYPES does not name reach the method, by its `**kwargs`."""

    def __repr__(self) -> str:
        return f"<node {self.schema.type}>"

    def call(self, inputs: Mapping[str, object], context: NodeContext) -> Result | Awaitable[Result]:
        node = self._object(context)
        given = getattr(node, self._function)(**to_pack(self._with_hidden(inputs, context)))
        if inspect.isawaitable(given):
            return self._later(given, context, node)
        return with_lists(result_of(given, self.schema, context), node)

    async def _later(self, given: Awaitable[object], context: NodeContext, node: object) -> Result:
        return with_lists(result_of(await given, self.schema, context), node)

    def needs(
        self, inputs: Mapping[str, object], missing: Sequence[str], context: NodeContext
    ) -> Sequence[str] | Awaitable[Sequence[str]]:
        if not self._check:
            return ()
        asked = self._object(context).check_lazy_status(**self._with_hidden(inputs, context))
        return names_asked_later(asked) if inspect.isawaitable(asked) else names_asked(asked)

    def complaint(
        self, inputs: Mapping[str, object], input_types: Mapping[str, str], context: NodeContext
    ) -> str | Awaitable[str | None] | None:
        validate = self._validate(context)
        if validate is None:
            return None
        traits = self.schema.traits
        wanted = None if "*" in traits.validated_inputs else frozenset(traits.validated_inputs)
        known = self._known(inputs, context)
        given = {name: value for name, value in known.items() if wanted is None or name in wanted}
        if traits.validates_types:
            given["input_types"] = [dict(input_types)] if self._list_wise else dict(input_types)
        if not given and not wanted and not traits.validates_types:
            return None
        answer = validate(**given)
        return _complaint_later(answer) if inspect.isawaitable(answer) else _complaint(answer)

    def change_token(self, inputs: Mapping[str, object], context: NodeContext) -> object:
        answer = self._fingerprint(context)(**self._known(inputs, context))
        return _token_later(answer) if inspect.isawaitable(answer) else _token(answer)

    def _validate(self, context: NodeContext) -> Any:
        """The class's own validation, or None."""
        return getattr(self.cls, "VALIDATE_INPUTS", None)

    def _fingerprint(self, context: NodeContext) -> Any:
        return self.cls.IS_CHANGED

    def _known(self, inputs: Mapping[str, object], context: NodeContext) -> dict[str, object]:
        """What is known before a run, as the class's own questions take it."""
        names = {item.name for item in self.schema.inputs}
        known = {name: value for name, value in inputs.items() if name in names or self.schema.traits.takes_any_inputs}
        known = {name: [value] for name, value in known.items()} if self._list_wise else known
        return self._with_hidden(known, context)

    def _with_hidden(self, inputs: Mapping[str, object], context: NodeContext) -> dict[str, object]:
        given = dict(inputs)
        for name, kind in self._hidden:
            found, value = hidden_value(kind, context)
            if found:
                given[name] = [value] if self._list_wise else value
        return given

    def _object(self, context: NodeContext) -> Any:
        """The object of this node, made at its first use; each home has its own, as it may keep that one's folders."""
        key = context.home if isinstance(context, CallContext) else "", context.node
        found = self._objects.get(key)
        if found is None:
            found = self._objects[key] = self.cls()
            while len(self._objects) > KEPT:
                self._objects.popitem(last=False)
        else:
            self._objects.move_to_end(key)
        return found


def names_asked(asked: object) -> Sequence[str]:
    """The names in what `check_lazy_status` gave."""
    return [name for name in asked if isinstance(name, str)] if isinstance(asked, list | tuple | set) else ()


async def names_asked_later(asked: Awaitable[object]) -> Sequence[str]:
    return names_asked(await asked)


def _complaint(answer: object) -> str | None:
    """True is fine; False is a refusal without a reason; anything else is the reason."""
    if answer is True:
        return None
    return "" if answer is False else str(answer)


async def _complaint_later(answer: Awaitable[object]) -> str | None:
    return _complaint(await answer)


def _token(answer: object) -> object:
    """As JSON; NaN, which equals nothing, stays: the node has always changed."""
    return answer if isinstance(answer, float) else made_plain(answer)


async def _token_later(answer: Awaitable[object]) -> object:
    return _token(await answer)
