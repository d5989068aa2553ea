"""Graph + targets -> ordered steps.

Rules, stated once:

- The steps are the targets and all that they depend on, each after its sources, in the order of a depth-first walk from
  the targets: one output's work is finished before the next one's begins.
- A step *needs* the sources of its links, except those of its lazy inputs, which it may demand when it runs; a lazy
  input whose source it needs anyway is an ordinary one.
- Its inputs are those that its schema names, and links besides (nodes may take undeclared links); undeclared literals
  are left out unless the node takes any inputs.
- A step whose result must not be shared gets a fingerprint of its own: with the node's id where equal nodes are told
  apart, with the salt of its type where runs are, and with the run's nonce where nothing may be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from limner.graph import Catalog, Graph, InputValue, Link, Node, NodeId, NodeSchema, Presence

from .errors import BrokenLink, DependencyCycle, UnknownNodeType
from .fingerprint import always_changed, constant, fingerprint
from .values import Fingerprint


@dataclass(frozen=True, slots=True)
class Step:
    """One node to run: `needs` are the nodes that must have finished, `lazy` the linked inputs that it may demand."""

    node: NodeId
    display: NodeId
    schema: NodeSchema
    fingerprint: Fingerprint
    inputs: Mapping[str, InputValue]
    needs: tuple[NodeId, ...] = ()
    lazy: frozenset[str] = frozenset()
    keep: bool = True
    """Whether its result may be cached."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order that respects their needs."""

    steps: tuple[Step, ...]
    targets: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """What planning must know of a node type, looked up once a run."""

    schema: NodeSchema
    names: frozenset[str]
    lazy: frozenset[str]
    raw: frozenset[str]
    by_id: bool

    @classmethod
    def of(cls, schema: NodeSchema) -> Profile:
        hidden = [item for item in schema.inputs if item.presence is Presence.HIDDEN]
        return cls(
            schema=schema,
            names=frozenset(item.name for item in schema.inputs),
            lazy=frozenset(item.name for item in schema.inputs if item.lazy),
            raw=frozenset(item.name for item in schema.inputs if item.raw_link),
            by_id=schema.traits.unshared or any(item.type == "UNIQUE_ID" for item in hidden),
        )


def unsalted(schema: NodeSchema) -> str:
    """Equal steps of all runs stand in for each other."""
    del schema
    return ""


class Planner:
    """Plans the graph of one run, and the expansions that its steps return."""

    def __init__(self, catalog: Catalog, nonce: str, salt: Callable[[NodeSchema], str] = unsalted) -> None:
        """`salt` tells steps of a type apart that must not stand in for each other, though they are equal."""
        self.catalog = catalog
        self._nonce, self._salt = nonce, salt
        self._profiles: dict[str, Profile] = {}
        self.fingerprints: dict[NodeId, Fingerprint] = {}
        """Of every node planned so far."""
        self.tokens: dict[NodeId, object] = {}
        """The change tokens of the nodes that have one."""

    def profile(self, node: Node) -> Profile:
        """What is known of the node's type. Raises `UnknownNodeType`."""
        found = self._profiles.get(node.type)
        if found is None:
            if node.type not in self.catalog:
                raise UnknownNodeType(node.id, f"Node type {node.type!r} does not exist")
            found = self._profiles[node.type] = Profile.of(self.catalog[node.type])
        return found

    def order(self, graph: Graph, targets: Sequence[NodeId]) -> list[Node]:
        """The targets and what they depend on within `graph`, sources first.

        Links may lead to nodes planned before. Raises `BrokenLink`, `DependencyCycle`.
        """
        done: list[Node] = []
        finished: set[NodeId] = set()
        for target in targets:
            if target in finished:
                continue
            path: dict[NodeId, Iterator[NodeId]] = {target: self._sources(graph, graph.nodes[target])}
            while path:
                node, remaining = next(reversed(path.items()))
                for source in remaining:
                    if source in finished:
                        continue
                    if source in path:
                        members = list(path)
                        raise DependencyCycle(members[members.index(source) :])
                    path[source] = self._sources(graph, graph.nodes[source])
                    break
                else:
                    del path[node]
                    finished.add(node)
                    done.append(graph.nodes[node])
        return done

    def _sources(self, graph: Graph, node: Node) -> Iterator[NodeId]:
        for name, value in node.inputs.items():
            if type(value) is Link:
                if value.node in graph.nodes:
                    yield value.node
                elif value.node not in self.fingerprints:
                    raise BrokenLink(node.id, f"Input {name!r} is linked to node {value.node}, which does not exist")

    def plan(
        self,
        ordered: Sequence[Node],
        targets: Sequence[NodeId],
        tokens: Mapping[NodeId, object],
        displays: Mapping[NodeId, NodeId],
        default_display: NodeId = "",
    ) -> Plan:
        """Steps for nodes in order. `tokens` are the change tokens of the nodes that have one.

        `displays` maps nodes of earlier expansions to the node of the user's graph that they are shown on; nodes are
        shown on themselves, or on `default_display` in an expansion.
        """
        steps = []
        for node in ordered:
            display = default_display or node.id
            if default_display and node.display:
                display = displays.get(node.display, node.display)
            steps.append(self._step(node, display, tokens))
        return Plan(tuple(steps), tuple(targets))

    def _step(self, node: Node, display: NodeId, tokens: Mapping[NodeId, object]) -> Step:
        profile = self.profile(node)
        traits = profile.schema.traits
        names, lazy = profile.names, profile.lazy
        inputs: dict[str, InputValue] = {}
        needs: dict[NodeId, None] = {}
        deferred: dict[str, NodeId] = {}
        for name, value in node.inputs.items():
            if type(value) is Link:
                if name in lazy:
                    deferred[name] = value.node
                else:
                    needs[value.node] = None
            elif name not in names and not traits.takes_any_inputs:
                continue
            inputs[name] = value
        marks, keep = self._marks(node, profile, tokens)
        hashed = fingerprint(node.type, profile.schema.version, inputs, self.fingerprints, marks)
        self.fingerprints[node.id] = hashed
        later = frozenset(name for name, source in deferred.items() if source not in needs)
        return Step(node.id, display, profile.schema, hashed, inputs, tuple(needs), later, keep)

    def _marks(self, node: Node, profile: Profile, tokens: Mapping[NodeId, object]) -> tuple[list[str], bool]:
        """What else tells the step apart, and whether its result may be kept."""
        traits = profile.schema.traits
        token = tokens.get(node.id)
        if traits.has_change_token:
            self.tokens[node.id] = token
        if traits.volatile or always_changed(token):
            return [f"once {self._nonce} {node.id}"], False
        marks = []
        if traits.has_change_token:
            marks.append(f"token {constant(token)}")
        if profile.by_id:
            marks.append(f"id {node.id}")
        salt = self._salt(profile.schema)
        if salt:
            marks.append(f"salt {salt}")
        return marks, True

    def is_raw(self, step: Step, name: str) -> bool:
        """Whether the input wants the link itself."""
        return name in self._profiles[step.schema.type].raw
