"""(Graph, Catalog) -> everything that is wrong with it, with ComfyUI's codes.

Rules, stated once:

- A run starts from its targets: the output nodes, or those of them that were asked for. What they do not depend on is
  not examined, except that every node type must exist. Of a node whose type does not, nothing else is known: what it
  gives passes for anything.
- Every input of every examined node is checked; a node's problems are its own, and make every target invalid that
  depends on it. The valid targets run, and the problems of the others are reported beside.
- Nothing runs when a node type is missing, when there is no target, or when no target is valid.
- Literals are normalised (`literals`); the verdict's graph holds them so.
- Inputs of types that only nodes make (MODEL, IMAGE, ...) take links alone.
- An input that the node's own validation names is exempt from ranges and choices, and from link types if that
  validation takes `input_types`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .catalog import Catalog
from .graph import Graph, InputValue, Link, Node, NodeId
from .literals import Choices, check, config, convert, no_choices
from .problems import InvalidGraph, Problem
from .reach import dependents, knots, walk
from .schema import Input, NodeSchema, Presence
from .sockets import ANY, connects, only_linked

__all__ = ["Choices", "Verdict", "no_choices", "validate"]

SHOWN_CYCLE = 30
"""Longer cycles are cut off in messages."""
SHOWN_TEXT = 60
"""Longer values are cut off in messages."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What validation found.

    `graph` has normalised literals; `targets` are those that can run, in the graph's order; `problems` is all that is
    wrong; `error` the headline problem when nothing can run; `dependents` maps each node with problems to the targets
    that it spoils; `examined` are the nodes that the targets depend on.
    """

    graph: Graph
    targets: tuple[NodeId, ...] = ()
    problems: tuple[Problem, ...] = ()
    error: Problem | None = None
    dependents: Mapping[NodeId, tuple[NodeId, ...]] = field(default_factory=dict)
    examined: tuple[NodeId, ...] = ()
    fatal: bool = False
    """Whether the graph as a whole was refused, so that its nodes need not be asked about their inputs."""

    @property
    def ok(self) -> bool:
        """Whether there is something to run."""
        return self.error is None

    def require(self) -> Verdict:
        """This verdict, if there is something to run. Raises `InvalidGraph` with all problems."""
        if self.error is not None:
            raise InvalidGraph(self.problems or (self.error,))
        return self


def validate(
    graph: Graph,
    catalog: Catalog,
    targets: Sequence[NodeId] | None = None,
    choices: Choices = no_choices,
    complaints: Mapping[NodeId, str] | None = None,
) -> Verdict:
    """Examine a graph.

    `targets`: run only these of its output nodes; None for all. `choices` lists folders. `complaints` are the answers
    of nodes that validate their own inputs, by node, where they refused (``""`` without a reason).
    """
    unknown = tuple(_unknown_types(graph, catalog))
    known = [node for node in graph.nodes.values() if node.type in catalog]
    outputs = [node.id for node in known if catalog[node.type].traits.output]
    asked = set(outputs if targets is None else targets)
    wanted = [node for node in outputs if node in asked]
    if not wanted:
        lacking = unknown or (_no_outputs(graph, outputs, targets),)
        return Verdict(graph, problems=lacking, error=lacking[0], fatal=True)
    order, cyclic = walk(graph, wanted)
    examiner = _Examiner(graph, catalog, choices, complaints or {})
    nodes = dict(graph.nodes)
    for node in order:
        if graph.nodes[node].type in catalog:
            nodes[node] = examiner.examine(graph.nodes[node])
    problems = [*unknown, *examiner.problems, *(_cycles(graph, order) if cyclic else ())]
    if not problems:
        return Verdict(Graph(nodes), tuple(wanted), examined=tuple(order))
    spoiled = dependents(graph, order, wanted, {problem.node for problem in problems})
    if unknown:
        return Verdict(Graph(nodes), (), tuple(problems), unknown[0], spoiled, tuple(order), fatal=True)
    bad = {target for targets_of in spoiled.values() for target in targets_of}
    valid = tuple(node for node in wanted if node not in bad)
    error = None if valid else _all_failed(problems)
    return Verdict(Graph(nodes), valid, tuple(problems), error, spoiled, tuple(order))


class _Examiner:
    """Checks nodes one by one and gathers their problems."""

    def __init__(self, graph: Graph, catalog: Catalog, choices: Choices, complaints: Mapping[NodeId, str]) -> None:
        self._graph = graph
        self._catalog = catalog
        self._choices = _remembering(choices)
        self._complaints = complaints
        self.problems: list[Problem] = []

    def examine(self, node: Node) -> Node:
        """The node with normalised literals."""
        schema = self._catalog[node.type]
        changed: dict[str, InputValue] = {}
        declared = set()
        for spec in schema.inputs:
            if spec.presence is Presence.HIDDEN:
                continue
            declared.add(spec.name)
            if spec.name not in node.inputs:
                if spec.presence is Presence.REQUIRED:
                    self.problems.append(_missing(node, spec))
                continue
            value = node.inputs[spec.name]
            if isinstance(value, Link):
                self._link(node, schema, spec, value)
            elif isinstance(value, list):
                self.problems.append(_bad_link(node, spec, value))
            else:
                new = self._literal(node, schema, spec, value)
                if new is not value:
                    changed[spec.name] = new
        for name, value in node.inputs.items():
            if name not in declared and isinstance(value, Link):
                self._source(node, Input(name, "*"), value)
        if node.id in self._complaints:
            self.problems.extend(_complaint(node, schema, self._complaints[node.id]))
        return replace(node, inputs={**node.inputs, **changed}) if changed else node

    def _literal(self, node: Node, schema: NodeSchema, spec: Input, value: object) -> object:
        absent = value is None and spec.presence is Presence.OPTIONAL
        if only_linked(spec.type) and not absent and not _exempt(schema, spec.name):
            shown = repr(str(value)[:SHOWN_TEXT])
            detail = f"{spec.name} is {shown}, and takes only a link to an output of type {spec.type}"
            self.problems.append(_bad_link(node, spec, value, detail))
            return value
        new, problem = convert(node.id, spec, value)
        if problem is None and not _exempt(schema, spec.name):
            problem = check(node.id, spec, new, self._choices)
        if problem is not None:
            self.problems.append(problem)
        return new

    def _source(self, node: Node, spec: Input, link: Link) -> str | None:
        """The socket type of what is linked; None where there is nothing, which is a problem."""
        source = self._graph.nodes.get(link.node)
        if source is None:
            detail = f"{spec.name} is linked to node {link.node}, which is not in the workflow"
            self.problems.append(_bad_link(node, spec, [link.node, link.output], detail))
            return None
        if source.type not in self._catalog:
            return ANY
        outputs = self._catalog[source.type].outputs
        if not 0 <= link.output < len(outputs):
            where = f"{source.type} {source.id}"
            detail = f"{spec.name} is linked to output {link.output} of {where}, which has {len(outputs)} outputs"
            self.problems.append(_bad_link(node, spec, [link.node, link.output], detail))
            return None
        return outputs[link.output].type

    def _link(self, node: Node, schema: NodeSchema, spec: Input, link: Link) -> None:
        received = self._source(node, spec, link)
        if received is None or schema.traits.validates_types or connects(received, spec.type):
            return
        self.problems.append(
            Problem(
                code="return_type_mismatch",
                message="Return type mismatch between linked nodes",
                detail=f"{spec.name}, received_type({received}) mismatch input_type({spec.type})",
                remedy=f"Link it to an output of type {spec.type}",
                node=node.id,
                input=spec.name,
                details={
                    "input_name": spec.name,
                    "input_config": config(spec),
                    "received_type": received,
                    "linked_node": [link.node, link.output],
                },
            )
        )


def _remembering(choices: Choices) -> Choices:
    """Each folder listed once a validation."""
    known: dict[object, frozenset[object] | list[object]] = {}

    def listed(files: object) -> list[object] | frozenset[object]:
        if files not in known:
            known[files] = list(choices(files))  # type: ignore[arg-type]
        return known[files]

    resolve: Callable[..., list[object] | frozenset[object]] = listed
    return resolve


def _exempt(schema: NodeSchema, name: str) -> bool:
    named = schema.traits.validated_inputs
    return bool(named) and (name in named or "*" in named)


def _unknown_types(graph: Graph, catalog: Catalog) -> Iterator[Problem]:
    for node in graph.nodes.values():
        if node.type not in catalog:
            yield Problem(
                code="missing_node_type",
                message=f"Node '{node.title or node.type}' not found. The custom node may not be installed.",
                detail=f"Node ID '#{node.id}'",
                remedy=f"Install the node pack that provides {node.type}, or remove the node{_absent(catalog)}",
                node=node.id,
                details={"node_id": node.id, "class_type": node.type, "node_title": node.title or None},
            )


def _absent(catalog: Catalog) -> str:
    """The packs that could not be loaded, as the node may be of one of them."""
    told = [f"{name}: {reason.splitlines()[0]}" for name, reason in list(catalog.absent.items())[:5] if reason]
    return f". Not loaded, or not whole: {'; '.join(told)}" if told else ""


def _no_outputs(graph: Graph, outputs: Sequence[NodeId], targets: Sequence[NodeId] | None) -> Problem:
    if not graph.nodes:
        remedy = "The workflow is empty: add nodes to it"
    elif targets is not None and outputs:
        remedy = f"Ask for one of its output nodes: {', '.join(outputs[:10])}"
    else:
        remedy = "Add a node that keeps or shows a result, such as SaveImage or PreviewImage"
    return Problem(code="prompt_no_outputs", message="Prompt has no outputs", remedy=remedy)


def _all_failed(problems: Sequence[Problem]) -> Problem:
    return Problem(
        code="prompt_outputs_failed_validation",
        message="Prompt outputs failed validation",
        detail="\n".join(f"{problem.message}: {problem.detail}" for problem in problems[:100]),
        remedy="; ".join(dict.fromkeys(problem.remedy for problem in problems[:10] if problem.remedy)),
    )


def _missing(node: Node, spec: Input) -> Problem:
    return Problem(
        code="required_input_missing",
        message="Required input is missing",
        detail=spec.name,
        remedy=f"Link or set the input ({spec.type})",
        node=node.id,
        input=spec.name,
        details={"input_name": spec.name},
    )


def _bad_link(node: Node, spec: Input, value: object, detail: str = "") -> Problem:
    headline = "Bad linked input" if detail else "Bad linked input, must be a length-2 list of [node_id, slot_index]"
    return Problem(
        code="bad_linked_input",
        message=headline,
        detail=detail or spec.name,
        remedy="Link it to an output of a node of the workflow",
        node=node.id,
        input=spec.name,
        details={"input_name": spec.name, "input_config": config(spec), "received_value": value},
    )


def _complaint(node: Node, schema: NodeSchema, text: str) -> Iterator[Problem]:
    """ComfyUI tells the node's own complaint once for each input that its validation names."""
    named = schema.traits.validated_inputs
    inputs = [name for name in node.inputs if name in named or "*" in named]
    inputs = inputs or ["input_types" if schema.traits.validates_types else ""]
    for name in inputs:
        yield Problem(
            code="custom_validation_failed",
            message="Custom validation failed for node",
            detail=f"{name} - {text}" if text else name,
            remedy=f"Give a value that {schema.type} accepts",
            node=node.id,
            input=name,
            details={"input_name": name},
        )


def _cycles(graph: Graph, order: Sequence[NodeId]) -> Iterator[Problem]:
    for knot in knots(graph, order):
        yield Problem(
            code="dependency_cycle",
            message="Dependency cycle detected",
            detail=" -> ".join([*knot[:SHOWN_CYCLE], *(["..."] if len(knot) > SHOWN_CYCLE else []), knot[0]]),
            remedy="Remove one of the links of the circle",
            node=knot[0],
            details={"nodes": list(knot)},
        )
