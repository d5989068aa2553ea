"""`@node`: a typed function becomes a node.

    @node(type="ImageInvert", title="Invert Image", category="image", lane="cpu")
    def invert(image: Image) -> Image:
        "Turn every colour into its opposite."
        return 1.0 - image

What the decorator gives is still callable as the function; `.schema` describes it, and a host calls `.call`. Nothing is
registered: a library collects the nodes of the modules that it is given (`nodes_in`). The function's docstring is the
node's description. A generator function reports progress by yielding `Progress`; a coroutine function runs in the
async lane, as does an asynchronous generator. Alone, as `@node`, it names the node after the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, ParamSpec, TypeVar, overload

from limner.graph import Input, Lane, NodeSchema, Output, Presence, Traits

from .function import NeedsCall, NodeFunction
from .questions import check_names, names_of
from .signature import Signature, place_of, read_signature

P = ParamSpec("P")
R = TypeVar("R")


@overload
def node(function: Callable[P, R], /) -> NodeFunction[P, R]: ...


@overload
def node(
    *,
    type: str = "",
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
) -> Callable[[Callable[P, R]], NodeFunction[P, R]]: ...


def node(
    function: Callable[P, R] | None = None,
    /,
    *,
    type: str = "",
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
) -> NodeFunction[P, R] | Callable[[Callable[P, R]], NodeFunction[P, R]]:
    """Make a node of a function. Raises TypeError, at once, where function and declaration disagree.

    Args:
        type: the node type's name in workflows; without it, `invert_image` is `InvertImage`, titled "Invert Image".
        title: what the editor calls it. category: its menu; a pack's nodes stand under the pack's name without it.
        module: ComfyUI's python_module. v3: its `/object_info` entry has the form of ComfyUI's newer nodes.
        output_node: a run starts from it. volatile: never cached. lane: where it may run (default: device, or async
            for a coroutine function).
        list_wise: takes whole lists; implied by parameters that are lists. Other parameters get their one item.
        outputs: the outputs, where the return annotation is `Result`. names: names of the annotated outputs.
        inputs: inputs beside the parameters, for functions that take `**inputs`.
        hidden: hidden inputs that the schema lists (`PROMPT`, `EXTRA_PNGINFO`, `UNIQUE_ID`, ...); their values are in
            `NodeContext.hidden`.
        needs: for nodes with lazy inputs: gets those inputs that it names, and `missing`, the names of the lazy ones
            that have not been made; gives the names of those that are wanted now.
        validate: gets those literals that it names (and `context`); says what is wrong, or None.
        change_token: likewise; gives a JSON value that changes when the node would give another result.
    """

    def decorate(function: Callable[P, R]) -> NodeFunction[P, R]:
        signature = read_signature(function, v3=v3, listed=bool(inputs))
        where = place_of(function)
        gathered = (*_inputs(where, signature, inputs), *_hidden(hidden))
        unfolds = any(parameter.unfolding is not None for parameter in signature.parameters)
        _check(where, gathered, needs=needs)
        if not signature.open:
            known = [entry.name for entry in gathered if entry.presence is not Presence.HIDDEN]
            check_names(where, "needs", needs, (*known, "inputs", "missing"))
            check_names(where, "validate", validate, known)
            check_names(where, "change_token", change_token, known)
        schema = NodeSchema(
            type=type or _joined(function.__name__),
            inputs=gathered,
            outputs=_outputs(where, signature, outputs, names),
            traits=replace(
                _traits(where, function, signature, validate, lane),
                output=output_node,
                volatile=volatile,
                list_wise=list_wise or any(parameter.is_list for parameter in signature.parameters),
                has_change_token=change_token is not None,
                takes_any_inputs=unfolds or (signature.open and not inputs),
                deprecated=deprecated,
                experimental=experimental,
            ),
            version=version,
            display_name=title or ("" if type else _spaced(function.__name__)),
            category=category,
            description=description or inspect.cleandoc(function.__doc__ or ""),
            module=module,
            info=dict(info or {}),
            v3=v3,
        )
        return NodeFunction(
            function,
            schema,
            signature,
            needs=needs,
            validate=validate,
            change_token=change_token,
            names_lane=lane is not None,
        )

    return decorate if function is None else decorate(function)


def _joined(name: str) -> str:
    """`invert_image` -> `InvertImage`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _spaced(name: str) -> str:
    """`invert_image` -> `Invert Image`."""
    return " ".join(part[:1].upper() + part[1:] for part in name.split("_") if part)


def _lane(where: str, name: Lane | str) -> Lane:
    try:
        return Lane(name)
    except ValueError:
        raise TypeError(f"{where}: there is no lane {name!r}; there are {', '.join(Lane)}") from None


def _traits(
    where: str,
    function: Callable[..., object],
    signature: Signature,
    validate: Callable[..., str | None] | None,
    lane: Lane | str | None,
) -> Traits:
    """Where it runs, and what it checks itself."""
    waits = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    unfolding = tuple(parameter.input.name for parameter in signature.parameters if parameter.unfolding is not None)
    return Traits(
        lane=_lane(where, lane or (Lane.ASYNC if waits else Lane.DEVICE)),
        has_validation=validate is not None or bool(unfolding),
        validated_inputs=(*names_of(validate), *unfolding),
    )


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


def _check(where: str, inputs: Sequence[Input], *, needs: NeedsCall | None) -> None:
    lazy = [entry.name for entry in inputs if entry.lazy]
    if lazy and needs is None:
        raise TypeError(f"{where}: input '{lazy[0]}' is lazy; say with `needs` when it is wanted")
    if needs is not None and not lazy:
        raise TypeError(f"{where}: `needs` is given, but no input is lazy")


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
