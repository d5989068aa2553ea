"""ComfyUI's V3 node classes as implementations.

A V3 class says what it is by `define_schema`, runs by class methods, and is never instantiated; hidden inputs reach it
as `cls.hidden`, in a class of that call. It also looks like a V1 class from outside, so that its schema is read as of
one; what differs is said here.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from limner.graph import Lane, NodeSchema, Presence
from limner.plugins.plain import made_plain
from limner.sdk import NodeContext, Result

from .boundary import to_pack
from .v1 import V1Node, names_asked, names_asked_later
from .v1_hidden import hidden_value
from .v1_results import result_of
from .v1_schema import named_parameters

DYNAMIC = ("COMFY_AUTOGROW_V3", "COMFY_DYNAMICCOMBO_V3", "COMFY_DYNAMICSLOT_V3")
"""Types of inputs that stand for others, which the workflow names."""


def is_v3(cls: object) -> bool:
    """Whether it is a V3 node class."""
    return isinstance(cls, type) and all(hasattr(cls, name) for name in ("define_schema", "GET_SCHEMA", "execute"))


def node_id(cls: Any) -> str:
    """The node type that a V3 class names itself; the class's name where its schema cannot be made."""
    try:
        return str(cls.define_schema().node_id)
    except Exception:  # whoever makes a node of it says what is wrong
        return str(cls.__name__)


class V3Node(V1Node):
    """A V3 class as an `Implementation`."""

    def __init__(self, node_type: str, cls: type, *, display_name: str = "", module: str = "nodes") -> None:
        """Raises what the class's `define_schema` raises, and where it is no complete node."""
        cls.RELATIVE_PYTHON_MODULE = module  # type: ignore[attr-defined]
        said: Any = cls.GET_SCHEMA()  # type: ignore[attr-defined]
        super().__init__(node_type, cls, module=module)
        self.schema = _schema(self.schema, self.cls, said)
        self._dynamic = [item for item in said.inputs or () if hasattr(item, "get_dynamic")]
        self._holders = any(item.presence is Presence.HIDDEN for item in self.schema.inputs)
        self._plain = self.cls.PREPARE_CLASS_CLONE({})
        self._check = self.asks_each_time = self.cls.overrides("check_lazy_status")
        self.takes_undeclared_links = bool(self._dynamic) or self.schema.traits.takes_any_inputs

    def call(self, inputs: Mapping[str, object], context: NodeContext) -> Result | Awaitable[Result]:
        given = self._clone(context).EXECUTE_NORMALIZED(**to_pack(self._arguments(inputs)))
        if inspect.isawaitable(given):
            return self._finish(given, context)
        return result_of(given, self.schema, context)

    async def _finish(self, given: Awaitable[object], context: NodeContext) -> Result:
        return result_of(await given, self.schema, context)

    def needs(
        self, inputs: Mapping[str, object], missing: Sequence[str], context: NodeContext
    ) -> Sequence[str] | Awaitable[Sequence[str]]:
        if not self._check:
            return ()
        asked = self._clone(context).check_lazy_status(**self._arguments(inputs, checked=False))
        return names_asked_later(asked) if inspect.isawaitable(asked) else names_asked(asked)

    def _known(self, inputs: Mapping[str, object], context: NodeContext) -> dict[str, object]:
        """What is known before a run. Hidden inputs stand in the class."""
        names = {item.name for item in self.schema.inputs}
        known = {name: value for name, value in inputs.items() if name in names or self.schema.traits.takes_any_inputs}
        known = {name: [value] for name, value in known.items()} if self._list_wise else known
        return self._arguments(known, checked=False)

    def _validate(self, context: NodeContext) -> Any:
        return self._clone(context).validate_inputs if self.schema.traits.has_validation else None

    def _fingerprint(self, context: NodeContext) -> Any:
        return self._clone(context).fingerprint_inputs

    def _arguments(self, inputs: Mapping[str, object], *, checked: bool = True) -> dict[str, object]:
        if not self._dynamic:
            return dict(inputs)
        gathered = import_module("comfy_api.latest._io_dynamic").gathered
        arguments: dict[str, object] = gathered(self._dynamic, inputs, checked=checked)
        return arguments

    def _clone(self, context: NodeContext) -> Any:
        """The class of this call."""
        if not self._holders:
            return self._plain
        return self.cls.PREPARE_CLASS_CLONE({kind: hidden_value(kind, context)[1] for _, kind in self._hidden})


def _schema(read: NodeSchema, cls: Any, said: Any) -> NodeSchema:
    """The V1 reading, with what a V3 class says beyond it."""
    dynamic = any(item.type in DYNAMIC for item in read.inputs)
    validates = cls.overrides("validate_inputs")
    named, everything = named_parameters(cls.validate_inputs if validates else None)
    traits = replace(
        read.traits,
        lane=Lane.ASYNC if inspect.iscoroutinefunction(cls.execute) else read.traits.lane,
        has_change_token=cls.overrides("fingerprint_inputs"),
        has_validation=validates,
        validated_inputs=("*",) if everything else tuple(name for name in named if name != "input_types"),
        validates_types="input_types" in named,
        takes_any_inputs=dynamic or bool(said.accept_all_inputs),
    )
    info: dict[str, object] = dict(read.info)
    info |= {key: made_plain(value) for key, value in said.more_info().items()}
    inputs = read.inputs
    if dynamic:  # the editor hears that they are required; the workflow never has inputs of these names themselves
        sections = made_plain(said.input_types())
        info |= {"input": sections, "input_order": {key: list(names) for key, names in sections.items()}}  # type: ignore[attr-defined]
        inputs = tuple(
            replace(item, presence=Presence.OPTIONAL)
            if item.type in DYNAMIC and item.presence is Presence.REQUIRED
            else item
            for item in inputs
        )
    return replace(read, inputs=inputs, traits=traits, info=info, v3=True, display_name=str(said.display_name or ""))
