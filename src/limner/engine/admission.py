"""May this graph run? The graph's own validation, and what the nodes themselves say (VALIDATE_INPUTS)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from limner.graph import Catalog, Graph, InputValue, Link, Node, NodeId, Problem
from limner.graph.validate import Choices, Verdict, no_choices, validate

from .ports import Answer, Executor, HostLost, Inquiry


def inquiry(
    node: Node, graph: Graph, catalog: Catalog, *, validate: bool = False, token: bool = False, home: str = ""
) -> Inquiry:
    """The question about one node: its literals, and the socket types of its links."""
    literals: dict[str, InputValue] = {}
    types: dict[str, str] = {}
    for name, value in node.inputs.items():
        if isinstance(value, Link):
            source = graph.nodes.get(value.node)
            outputs = catalog[source.type].outputs if source is not None and source.type in catalog else ()
            types[name] = outputs[value.output].type if 0 <= value.output < len(outputs) else "*"
        else:
            literals[name] = value
    return Inquiry(node.id, node.type, literals, types, validate=validate, token=token, home=home)


def inquiries(graph: Graph, catalog: Catalog, nodes: Iterable[NodeId], home: str = "") -> list[Inquiry]:
    """One question for each node that validates its own inputs."""
    return [
        inquiry(graph.nodes[node], graph, catalog, validate=True, home=home)
        for node in nodes
        if catalog[graph.nodes[node].type].traits.has_validation
    ]


async def admit(
    executor: Executor,
    run: str,
    graph: Graph,
    catalog: Catalog,
    *,
    targets: Sequence[NodeId] | None = None,
    choices: Choices = no_choices,
    home: str = "",
) -> Verdict:
    """Validate the graph, asking the nodes that check their own inputs. Never raises for a bad graph.

    `home`: whose files it may read, as `HOME_KEY` of the run.

    When the host dies twice over the questions, nothing can run, and the verdict's `error` says so.
    """
    verdict = validate(graph, catalog, targets, choices)
    if verdict.fatal:
        return verdict
    broken = {problem.node for problem in verdict.problems}
    asked = [node for node in verdict.examined if node not in broken]
    questions = inquiries(verdict.graph, catalog, asked, home)
    if not questions:
        return verdict
    try:
        answers = await _asked(executor, run, questions)
    except HostLost as loss:
        return _unanswered(verdict, loss)
    complaints = {answer.node: answer.complaint for answer in answers if answer.complaint is not None}
    return validate(graph, catalog, targets, choices, complaints) if complaints else verdict


async def _asked(executor: Executor, run: str, questions: Sequence[Inquiry]) -> Sequence[Answer]:
    try:
        return await executor.inquire(run, questions)
    except HostLost:
        return await executor.inquire(run, questions)


def _unanswered(verdict: Verdict, loss: HostLost) -> Verdict:
    problem = Problem(
        code="exception_during_validation",
        message="The host died while nodes checked their inputs",
        detail=loss.reason,
        remedy="Remove the nodes that were added last, or the pack that they come from",
    )
    return replace(verdict, targets=(), problems=(*verdict.problems, problem), error=problem)
