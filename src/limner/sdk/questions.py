"""What a host asks of a node beside its work: `needs`, `validate` and `change_token`, functions of the author's.

Rules: each gets those inputs that it names, None for what is linked or left out where it has no default of its own, and
all of them where it takes `**inputs`. The names `context`, and for `needs` also `inputs` and `missing`, are no inputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from .context import NodeContext

R = TypeVar("R")

CONTEXT = "context"
OPEN = inspect.Parameter.VAR_KEYWORD


def ask(question: Callable[..., R], known: Mapping[str, object], context: NodeContext) -> R:
    """Call it with what it names of what is known."""
    given: dict[str, object] = {}
    for name, parameter in inspect.signature(question).parameters.items():
        if parameter.kind is OPEN:
            given = {**known, **given}
        elif name == CONTEXT:
            given[name] = context
        elif name in known or parameter.default is parameter.empty:
            given[name] = known.get(name)
    return question(**given)


def names_of(question: Callable[..., object] | None) -> tuple[str, ...]:
    """The inputs that it names; nothing of no question."""
    parameters = inspect.signature(question).parameters if question is not None else {}
    return tuple(name for name, kind in parameters.items() if kind.kind is not OPEN and name != CONTEXT)


def check_names(where: str, what: str, question: Callable[..., object] | None, known: Collection[str]) -> None:
    """Raises TypeError where it names what is no input."""
    unknown = [name for name in names_of(question) if name not in known]
    if unknown:
        raise TypeError(f"{where}: `{what}` names '{unknown[0]}', which is no input; it can name {', '.join(known)}")
