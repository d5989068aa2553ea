"""Nodes that validate their own inputs."""

from __future__ import annotations

import pytest

from limner.engine import admit
from limner.engine.ports import HostLost, Inquiry
from tests.support import nodes
from tests.support.fake_executor import FakeExecutor, fake
from tests.support.graphs import graph


def picky() -> FakeExecutor:
    def complaint(a: int | None, **others: object) -> str | None:
        return "odd" if a is not None and a % 2 else None

    checked = fake(
        "Even", lambda a: {"v": [a]}, {"a": "INT"}, (), output=True, complaint=complaint, validated_inputs=("a",)
    )
    return nodes.executor(checked)


async def test_a_complaint_refuses_the_outputs_that_depend_on_it() -> None:
    executor = picky()
    verdict = await admit(executor, "r", graph(e=("Even", {"a": 3}), f=("Even", {"a": "4"})), executor.catalog)
    assert verdict.targets == ("f",)
    assert [(problem.code, problem.detail) for problem in verdict.problems] == [("custom_validation_failed", "a - odd")]


async def test_linked_inputs_are_asked_about_by_type_and_broken_nodes_not_at_all() -> None:
    executor = picky()
    asked: list[Inquiry] = []
    inquire = executor.inquire

    async def listen(run, inquiries):  # type: ignore[no-untyped-def]
        asked.extend(inquiries)
        return await inquire(run, inquiries)

    executor.inquire = listen  # type: ignore[method-assign]
    wanted = graph(
        x=("Add", {"a": 1, "b": 1}), e=("Even", {"a": "x:0"}), f=("Even", {}), g=("Even", {"a": "2", "other": "x:0"})
    )
    verdict = await admit(executor, "r", wanted, executor.catalog)
    assert verdict.targets == ("e", "g")
    assert [(item.node, item.inputs, item.input_types) for item in asked] == [
        ("e", {}, {"a": "INT"}),
        ("g", {"a": 2}, {"other": "INT"}),
    ]
    assert all(item.validate and not item.token for item in asked)


async def test_a_graph_that_is_refused_as_a_whole_is_not_asked_about() -> None:
    executor = picky()
    verdict = await admit(executor, "r", graph(e=("Even", {"a": 3}), x=("Unknown", {})), executor.catalog)
    assert verdict.fatal
    assert verdict.error is not None and verdict.error.code == "missing_node_type"


@pytest.mark.parametrize(("deaths", "ok"), [(1, True), (2, False)])
async def test_a_host_that_dies_over_the_questions_is_asked_once_more(deaths: int, ok: bool) -> None:
    executor = picky()
    inquire, left = executor.inquire, [deaths]

    async def fragile(run, inquiries):  # type: ignore[no-untyped-def]
        if left[0]:
            left[0] -= 1
            raise HostLost("host#0", "killed")
        return await inquire(run, inquiries)

    executor.inquire = fragile  # type: ignore[method-assign]
    verdict = await admit(executor, "r", graph(e=("Even", {"a": 2})), executor.catalog)
    assert verdict.ok is ok
    if not ok:
        assert verdict.error is not None
        assert (verdict.error.code, verdict.error.detail) == ("exception_during_validation", "killed")
