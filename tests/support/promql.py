"""What PromQL expressions ask for: the metrics, their labels and the values that these must have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus itself adds."""
OWN = frozenset({"up"})
"""Metrics that Prometheus itself has."""
VARIABLES = {"$__rate_interval": "5m", "$job": ".*", "$instance": ".*"}
"""Of a dashboard."""

Samples = Mapping[str, list[Mapping[str, str]]]


def samples(text: str) -> Samples:
    """The labels of all samples in an answer of /metrics, by name."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def wrong(expression: str, live: Samples) -> list[str]:
    """What the expression asks for that there is not."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    parsed = promql.parse(expression)
    selectors = [node for node in _nodes(parsed) if isinstance(node, promql.VectorSelector)]
    problems = [problem for selector in selectors for problem in _unmet(selector, live)]
    known = TARGET | {label for selector in selectors for each in live.get(selector.name, ()) for label in each}
    asked = {label for node in _nodes(parsed) for label in _grouped(node)}
    return problems + [f"no label {label}" for label in sorted(asked - known)]


def result_labels(expression: str, live: Samples) -> frozenset[str]:
    """The labels that results may have, for legends and texts."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return frozenset(_left(promql.parse(expression), live))


def _unmet(selector: Any, live: Samples) -> Iterator[str]:
    if selector.name in OWN:
        return
    there = live.get(selector.name)
    if not there:
        yield f"no metric {selector.name}"
        return
    wanted = [matcher for matcher in selector.matchers.matchers if matcher.name not in TARGET]
    for matcher in wanted:
        if not any(matcher.name in labels for labels in there):
            yield f"{selector.name} has no label {matcher.name}"
    if not any(all(_fits(matcher, labels.get(matcher.name, "")) for matcher in wanted) for labels in there):
        yield f"nothing is {selector.name}{selector.matchers}"


def _fits(matcher: Any, value: str) -> bool:
    match matcher.op:
        case promql.MatchOp.Equal:
            return bool(value == matcher.value)
        case promql.MatchOp.NotEqual:
            return bool(value != matcher.value)
        case promql.MatchOp.Re:
            return re.fullmatch(matcher.value, value) is not None
        case _:
            return re.fullmatch(matcher.value, value) is None


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(node, part, None)
        if isinstance(inner, promql.Expr):
            yield from _nodes(inner)
    for inner in getattr(node, "args", ()):
        yield from _nodes(inner)


def _grouped(node: Any) -> Iterator[str]:
    """The labels that an aggregation or a match names."""
    modifier = getattr(node, "modifier", None)
    if isinstance(node, promql.AggregateExpr) and modifier is not None:
        yield from modifier.labels
    if isinstance(node, promql.BinaryExpr) and modifier is not None:
        yield from modifier.matching.labels if modifier.matching is not None else ()


def _left(node: Any, live: Samples) -> set[str]:
    if isinstance(node, promql.VectorSelector):
        return set(TARGET) | {label for each in live.get(node.name, ()) for label in each}
    if isinstance(node, promql.AggregateExpr) and str(node.op) not in ("topk", "bottomk"):
        return set(node.modifier.labels) if node.modifier is not None else set()
    if isinstance(node, promql.BinaryExpr):
        return _left(node.lhs, live) or _left(node.rhs, live)
    inner = [getattr(node, part) for part in ("expr", "vector_selector") if hasattr(node, part)]
    found: set[str] = set()
    for each in (*inner, *getattr(node, "args", ())):
        found |= _left(each, live)
    return found
