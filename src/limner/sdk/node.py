"""`@node`: a typed function becomes a node.

    @node(type="ImageInvert", title="Invert Image", category="image", lane="cpu")
    def invert(image: Image) -> Image:
        "Turn every colour into its opposite."
        return 1.0 - image

What the decorator gives is still callable as the function; `.schema` describes it, and a host calls `.call`. Nothing is
registered: a library collects the nodes of the modules that it is given (`nodes_in`). The function's docstring is the
node's description. A generator function reports progress by yielding `Progress`; a coroutine function runs in the
async lane.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Generic, ParamSpec, TypeVar, cast

from limner.graph import Input, Lane, NodeSchema, Output, Presence, Traits

from .context import NodeContext
from .implementation import Blocked, Result
from .progress import drive
from .signature import Parameter, Signature, read_signature

P = ParamSpec("P")
R = TypeVar("R")

NeedsCall = Callable[[Mapping[str, object], Sequence[str]], Sequence[str]]
"""`(inputs, missing) -> names`: which of the missing lazy inputs are wanted."""


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
    ) -> None:
        self.function = function
        self.schema = schema
        self.__name__ = getattr(function, "__name__", schema.type)
        self.__doc__ = function.__doc__
        self._context = signature.context
        self._names = frozenset(entry.name for entry in schema.inputs if entry.presence is not Presence.HIDDEN)
        self._enums = {entry.input.name: entry for entry in signature.parameters if entry.enum_type is not None}
        self._generator = inspect.isgeneratorfunction(function)
        self._async = inspect.iscoroutinefunction(function)
        self._needs, self._validate, self._token = needs, validate, change_token

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<node {self.schema.type}>"

    @property
    def cooperative(self) -> bool:
        """Whether it can look by itself if the run was interrupted: it takes a `NodeContext`, or yields progress."""
        return self._context is not None or self._generator

    def call(self, inputs: Mapping[str, object], context: NodeContext) -> Result | Awaitable[Result]:
        arguments = {name: value for name, value in inputs.items() if name in self._names}
        for name, parameter in self._enums.items():
            if name in arguments:
                arguments[name] = _member(parameter, arguments[name])
        if self._context is not None:
            arguments[self._context] = context
        given = cast("Callable[..., Any]", self.function)(**arguments)
        if self._async:
            return self._finish(given)
        return self._result(drive(given, context) if self._generator else given)

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
        return () if self._needs is None else self._needs(inputs, missing)

    def complaint(
        self, inputs: Mapping[str, object], input_types: Mapping[str, str], context: NodeContext
    ) -> str | None:
        return None if self._validate is None else _asked(self._validate, inputs, context)

    def change_token(self, inputs: Mapping[str, object], context: NodeContext) -> object:
        return None if self._token is None else _asked(self._token, inputs, context)


def _asked(question: Callable[..., R], inputs: Mapping[str, object], context: NodeContext) -> R:
    """Call it with those of the inputs that it names, and the context where it takes one called `context`."""
    wanted = inspect.signature(question).parameters
    given = {name: value for name, value in inputs.items() if name in wanted}
    return question(**given, **({"context": context} if "context" in wanted else {}))


def _member(parameter: Parameter, value: object) -> object:
    kind = parameter.enum_type
    if kind is None:
        return value
    return [kind(item) for item in value] if parameter.is_list and isinstance(value, list) else kind(value)


def node(
    *,
    type: str,
    title: str = "",
    category: str = "",
    module: str = "nodes",
    description: str = "",
    output_node: bool = False,
    lane: Lane | str | None = None,
    volatile: bool = False,
    list_wise: bool = False,
    outputs: Sequence[Output | str] | None = None,
    names: Sequence[str] = (),
    inputs: Sequence[Input] = (),
    hidden: Sequence[str] = (),
    needs: NeedsCall | None = None,
    validate: Callable[..., str | None] | None = None,
    change_token: Callable[..., object] | None = None,
    deprecated: bool = False,
    experimental: bool = False,
    v3: bool = False,
    version: str = "1",
    info: Mapping[str, object] | None = None,
) -> Callable[[Callable[P, R]], NodeFunction[P, R]]:
    """Make a node of a function. Raises TypeError, at once, where function and declaration disagree.

    Args:
        type: the node type's name in workflows. title: what the editor calls it. category: its menu.
        module: ComfyUI's python_module. v3: its `/object_info` entry has the form of ComfyUI's newer nodes.
        output_node: a run starts from it. volatile: never cached. lane: where it may run (default: device, or async
            for a coroutine function).
        list_wise: takes whole lists; implied by parameters that are lists.
        outputs: the outputs, where the return annotation is `Result`. names: names of the annotated outputs.
        inputs: inputs beside the parameters, for functions that take `**inputs`.
        hidden: hidden inputs that the schema lists (`PROMPT`, `EXTRA_PNGINFO`, `UNIQUE_ID`, ...); their values are in
            `NodeContext.hidden`.
        needs: for nodes with lazy inputs, which of the missing ones are wanted now.
        validate: gets those literals that it names (and `context`); says what is wrong, or None.
        change_token: likewise; gives a JSON value that changes when the node would give another result.
    """

    def decorate(function: Callable[P, R]) -> NodeFunction[P, R]:
        signature = read_signature(function, v3=v3)
        where = f"@node {function.__qualname__}"
        gathered = (*_inputs(where, signature, inputs), *_hidden(hidden))
        whole_lists = list_wise or any(parameter.is_list for parameter in signature.parameters)
        _check(where, signature, gathered, needs=needs, whole_lists=whole_lists)
        named = tuple(inspect.signature(validate).parameters) if validate else ()
        schema = NodeSchema(
            type=type,
            inputs=gathered,
            outputs=_outputs(where, signature, outputs, names),
            traits=Traits(
                output=output_node,
                volatile=volatile,
                list_wise=whole_lists,
                lane=Lane(lane or (Lane.ASYNC if inspect.iscoroutinefunction(function) else Lane.DEVICE)),
                has_change_token=change_token is not None,
                has_validation=validate is not None,
                validated_inputs=tuple(name for name in named if name != "context"),
                takes_any_inputs=signature.open and not inputs,
                deprecated=deprecated,
                experimental=experimental,
            ),
            version=version,
            display_name=title,
            category=category,
            description=description or inspect.cleandoc(function.__doc__ or ""),
            module=module,
            info=dict(info or {}),
            v3=v3,
        )
        return NodeFunction(function, schema, signature, needs=needs, validate=validate, change_token=change_token)

    return decorate


def nodes_in(modules: Iterable[ModuleType]) -> Iterator[NodeFunction[..., Any]]:
    """Every node defined at the top of these modules, each once."""
    seen: set[int] = set()
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, NodeFunction) and id(value) not in seen:
                seen.add(id(value))
                yield value


def _inputs(where: str, signature: Signature, extra: Sequence[Input]) -> tuple[Input, ...]:
    if extra and not signature.open:
        raise TypeError(f"{where}: `inputs` are given, so the function needs `**inputs` to take them")
    gathered = (*(parameter.input for parameter in signature.parameters), *extra)
    names = [entry.name for entry in gathered]
    if len(set(names)) < len(names):
        raise TypeError(f"{where}: two inputs have the same name")
    return gathered


def _hidden(kinds: Sequence[str]) -> tuple[Input, ...]:
    return tuple(Input(kind.lower(), kind, Presence.HIDDEN) for kind in kinds)


def _check(
    where: str, signature: Signature, inputs: Sequence[Input], *, needs: NeedsCall | None, whole_lists: bool
) -> None:
    lazy = [entry.name for entry in inputs if entry.lazy]
    if lazy and needs is None:
        raise TypeError(f"{where}: input '{lazy[0]}' is lazy; say with `needs` when it is wanted")
    if needs is not None and not lazy:
        raise TypeError(f"{where}: `needs` is given, but no input is lazy")
    single = [parameter.input.name for parameter in signature.parameters if not parameter.is_list]
    if whole_lists and single:
        raise TypeError(f"{where}: it takes whole lists, so input '{single[0]}' must be a `list[...]` too")


def _outputs(
    where: str, signature: Signature, given: Sequence[Output | str] | None, names: Sequence[str]
) -> tuple[Output, ...]:
    annotated = signature.outputs
    if given is not None:
        outputs = tuple(Output(entry, entry) if isinstance(entry, str) else entry for entry in given)
        if annotated is not None and [o.type for o in annotated] != [o.type for o in outputs]:
            raise TypeError(f"{where}: `outputs` says {[o.type for o in outputs]}, the return annotation another thing")
    else:
        outputs = annotated or ()
    if not names:
        return outputs
    if len(names) != len(outputs):
        raise TypeError(f"{where}: {len(names)} names for {len(outputs)} outputs")
    return tuple(Output(name, o.type, o.is_list, o.tooltip, o.choices) for name, o in zip(names, outputs, strict=True))
