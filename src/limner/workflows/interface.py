"""Which inputs and outputs of a workflow its endpoint has.

Rules:

- An input is a node's value that is no link, under a name of its own. Where none are chosen, all values of all nodes
  are inputs: under the input's name where only one node has it, else with the node's id behind it (`text_6`).
- An output is an output node. Where none are chosen, all of them are: under the node's title if it was given one, else
  under its type; with its id where two would be alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limner.graph import Catalog
from limner.graph.schema import Presence

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
MOST_PORTS = 1000


class InterfaceProblem(Exception):
    """The inputs or outputs cannot be chosen so: `problem` says why, `remedy` what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem, self.remedy = problem, remedy


@dataclass(frozen=True, slots=True)
class Port:
    """An input of an endpoint: the value of `input` of `node`."""

    name: str
    node: str
    input: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """An output of an endpoint: what `node` keeps or shows."""

    name: str
    node: str


def chosen_inputs(prompt: Mapping[str, Any], catalog: Catalog, given: object) -> tuple[Port, ...]:
    """The inputs that `given` names: `{"name": "6.text"}`, `{"name": {"node": "6", "input": "text"}}`, or
    `["6.text", ...]`; None for all. Raises `InterfaceProblem`.
    """
    if given is None:
        return tuple(_all_inputs(prompt, catalog))[:MOST_PORTS]
    if isinstance(given, Sequence) and not isinstance(given, str):
        given = dict(_named_after_inputs(given))
    if not isinstance(given, Mapping):
        raise InterfaceProblem("inputs is neither an object nor a list", 'Give {"prompt": "6.text"} or ["6.text"]')
    ports = tuple(_port(str(name), where, prompt) for name, where in given.items())
    if len(ports) > MOST_PORTS:
        raise InterfaceProblem(f"There are more than {MOST_PORTS} inputs", "Choose fewer")
    return ports


def _named_after_inputs(given: Iterable[object]) -> Iterator[tuple[str, object]]:
    places = [_place(where) for where in given]
    shared = Counter(name for _, name, _ in places)
    for node, name, description in places:
        alone = shared[name] == 1
        yield name if alone else f"{name}_{node}", {"node": node, "input": name, "description": description}


def _port(name: str, where: object, prompt: Mapping[str, Any]) -> Port:
    if not NAME.fullmatch(name):
        raise InterfaceProblem(f"An input cannot be called {name!r}", "Use letters, digits, and _ . - between them")
    node, given, description = _place(where)
    found = prompt.get(node)
    if not isinstance(found, Mapping):
        raise InterfaceProblem(f"The input {name!r} names node {node}, which the workflow lacks", "Correct its id")
    values = found.get("inputs")
    if not isinstance(values, Mapping) or given not in values:
        known = ", ".join(values) if isinstance(values, Mapping) else "none"
        raise InterfaceProblem(
            f"Node {node} ({found.get('class_type')}) has no input {given!r} in this workflow", f"It has {known}"
        )
    if _is_link(values[given], prompt):
        raise InterfaceProblem(
            f"The input {given!r} of node {node} comes from another node", "Choose a value that stands in its node"
        )
    return Port(name, node, given, description)


def _place(where: object) -> tuple[str, str, str]:
    """Node, input, description."""
    if isinstance(where, str) and "." in where:
        node, _, name = where.rpartition(".")
        return node, name, ""
    if isinstance(where, Mapping) and isinstance(where.get("node"), str | int) and isinstance(where.get("input"), str):
        return str(where["node"]), where["input"], str(where.get("description") or "")
    raise InterfaceProblem(f"{where!r} names no input of a node", 'Write it as "6.text"')


def _is_link(value: object, prompt: Mapping[str, Any]) -> bool:
    return isinstance(value, list) and len(value) == 2 and str(value[0]) in prompt and isinstance(value[1], int)


def _all_inputs(prompt: Mapping[str, Any], catalog: Catalog) -> Iterator[Port]:
    places: list[tuple[str, str]] = []
    for node, found in prompt.items():
        schema = catalog.get(str(found.get("class_type")))
        for name, value in (found.get("inputs") or {}).items():
            known = schema.input(name) if schema is not None else None
            hidden = known is not None and known.presence is Presence.HIDDEN
            if not hidden and not _is_link(value, prompt) and NAME.fullmatch(name):
                places.append((node, name))
    shared = Counter(name for _, name in places)
    for node, name in places:
        yield Port(name if shared[name] == 1 else f"{name}_{node}", node, name)


def chosen_outputs(prompt: Mapping[str, Any], catalog: Catalog, given: object) -> tuple[Output, ...]:
    """The outputs that `given` names: `{"name": "9"}` or `["9", ...]`; None for all. Raises `InterfaceProblem`."""
    ends = [node for node, found in prompt.items() if _is_output(found, catalog)]
    if not ends:
        raise InterfaceProblem("The workflow has no output node", "Add one that keeps a result, such as SaveImage")
    if given is None:
        return tuple(_titled_outputs(prompt, ends))
    if isinstance(given, Sequence) and not isinstance(given, str):
        return tuple(_titled_outputs(prompt, [_end(node, ends) for node in given]))
    if not isinstance(given, Mapping) or not given:
        raise InterfaceProblem("outputs is neither an object nor a list", 'Give {"image": "9"} or ["9"]')
    return tuple(Output(str(name), _end(node, ends)) for name, node in given.items())


def _is_output(found: Any, catalog: Catalog) -> bool:
    schema = catalog.get(str(found.get("class_type")))
    return schema is not None and schema.traits.output


def _end(node: object, ends: Sequence[str]) -> str:
    if isinstance(node, Mapping):
        node = node.get("node")
    if str(node) not in ends:
        raise InterfaceProblem(f"Node {node} is no output node of the workflow", f"These are: {', '.join(ends)}")
    return str(node)


def _titled_outputs(prompt: Mapping[str, Any], nodes: Sequence[str]) -> Iterator[Output]:
    names = {node: titled(prompt, node) for node in nodes}
    shared = Counter(names.values())
    for node, name in names.items():
        yield Output(name if shared[name] == 1 else f"{name}_{node}", node)


def titled(prompt: Mapping[str, Any], node: str) -> str:
    """The title that a node was given, else its type; as a name."""
    found = prompt[node]
    meta = found.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return re.sub(r"[^A-Za-z0-9_]+", "_", str(title or found.get("class_type"))).strip("_") or f"output_{node}"


def filled(prompt: Mapping[str, Any], ports: Iterable[Port], values: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt with these values, by the ports' names; a list is written so that it is no link."""
    told = {node: {**found, "inputs": dict(found.get("inputs") or {})} for node, found in prompt.items()}
    for port in ports:
        if port.name in values:
            value = values[port.name]
            told[port.node]["inputs"][port.input] = {"__value__": value} if isinstance(value, list) else value
    return told
