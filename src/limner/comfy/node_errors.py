"""Problems as ComfyUI answers them: `{"error": {...}, "node_errors": {...}}`, with status 400.

`error` is the headline; `node_errors` says, for each node with problems, what they are and which outputs they spoil.
Remedies go beside ComfyUI's keys, so that its clients lose nothing and ours can show what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from limner.graph import Graph, Problem
from limner.graph.validate import Verdict


def describe_problem(problem: Problem) -> dict[str, Any]:
    """One entry of `errors`, and the form of `error`."""
    entry: dict[str, Any] = {
        "type": problem.code,
        "message": problem.message,
        "details": problem.detail,
        "extra_info": dict(problem.details),
    }
    if problem.remedy:
        entry["remedy"] = problem.remedy
    return entry


def describe_nodes(
    problems: Iterable[Problem], graph: Graph, dependents: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """`node_errors`: the problems of each node that the graph has."""
    found: dict[str, Any] = {}
    for problem in problems:
        node = graph.nodes.get(problem.node)
        if node is None:
            continue
        entry = found.setdefault(
            problem.node,
            {"errors": [], "dependent_outputs": list(dependents.get(problem.node, ())), "class_type": node.type},
        )
        entry["errors"].append(describe_problem(problem))
    return found


def describe_verdict(verdict: Verdict) -> dict[str, Any]:
    """The answer for a graph of which nothing can run."""
    error = verdict.error or verdict.problems[0]
    nodes = describe_nodes(verdict.problems, verdict.graph, verdict.dependents)
    return {"error": describe_problem(error), "node_errors": nodes}


def describe_unreadable(problems: Sequence[Problem]) -> dict[str, Any]:
    """The answer for a document that is no graph at all: the first problem, with all of them in its `extra_info`."""
    error = describe_problem(problems[0])
    if len(problems) > 1:
        error["extra_info"] = {**error["extra_info"], "problems": [describe_problem(problem) for problem in problems]}
    return {"error": error, "node_errors": {}}
