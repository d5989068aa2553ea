"""What of a segment may overlap, and in which order the rest goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from limner.engine.ports import Task
from limner.engine.values import Gathered, Held
from limner.graph import Lane
from limner.plugins.strands import sources, strands_of


def task(name: str, lane: Lane, *needs: str) -> Task:
    return Task(name, name, "T", name, {f"i{n}": Held(need, 0) for n, need in enumerate(needs)}, lane=lane)


def names(tasks: list[Task]) -> list[list[str]]:
    return [[task.node for task in strand.tasks] for strand in strands_of(tasks)]


def test_device_tasks_share_one_strand() -> None:
    tasks = [task("a", Lane.DEVICE), task("b", Lane.DEVICE), task("c", Lane.DEVICE, "a", "b")]
    assert names(tasks) == [["a", "b", "c"]]


def test_independent_pool_tasks_and_coroutines_have_their_own() -> None:
    tasks = [
        task("a", Lane.CPU),
        task("b", Lane.CPU),
        task("a2", Lane.CPU, "a"),
        task("x", Lane.ASYNC),
        task("y", Lane.ASYNC, "x"),
    ]
    assert names(tasks) == [["a", "a2"], ["b"], ["x"], ["y"]]


def test_a_device_task_does_not_wait_for_what_waits_for_its_strand() -> None:
    tasks = [task("d1", Lane.DEVICE), task("c", Lane.CPU, "d1"), task("d2", Lane.DEVICE, "c"), task("d3", Lane.DEVICE)]
    strands = strands_of(tasks)
    assert names(tasks) == [["d1"], ["c"], ["d2", "d3"]]
    assert strands[2].after == {0, 1}


def test_a_gathered_input_needs_all_its_parts() -> None:
    parts = Gathered((Held("a", 0), Held("b", 1)))
    assert sources(Task("c", "c", "T", "c", {"x": parts, "y": 3})) == {"a", "b"}


@given(st.data())
def test_every_task_comes_after_what_it_needs(data: st.DataObject) -> None:
    tasks: list[Task] = []
    for number in range(data.draw(st.integers(1, 24))):
        lane = data.draw(st.sampled_from(list(Lane)))
        needs = data.draw(st.sets(st.sampled_from([other.node for other in tasks]), max_size=3)) if tasks else set()
        tasks.append(task(str(number), lane, *sorted(needs)))
    strands = strands_of(tasks)
    done: set[str] = set()
    finished: set[int] = set()
    assert sorted(name for strand in names(tasks) for name in strand) == sorted(t.node for t in tasks)
    for number, strand in enumerate(strands):
        assert strand.after <= finished
        assert {each.lane for each in strand.tasks} == {strand.lane}
        before = {t.node for other in strand.after for t in strands[other].tasks}
        for each in strand.tasks:
            assert sources(each) <= before, "it waits only for strands that it names, and for its own"
            before.add(each.node)
        done |= before
        finished.add(number)
