"""Which job runs on which worker: models first, then load; fair shares, priorities, what workers lack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from limner.executors.fleet.decisions import Decision, Match, Refusal
from limner.executors.fleet.facts import Capabilities, Needs
from limner.executors.fleet.matching import LOOK, Matcher
from limner.queue import Place

ANY = Capabilities(everything=True)


def needs(*models: str, types: Iterable[str] = (), memory: int = 0) -> Needs:
    return Needs(frozenset(types), frozenset(("checkpoints", name) for name in models), memory)


class Desk:
    """Jobs that wait, by name, and what each needs."""

    def __init__(self) -> None:
        self.needs: dict[str, Needs] = {}
        self.waiting: list[Place] = []
        self.matcher = Matcher(lambda place: self.needs[place.id])

    def add(self, name: str, wants: Needs, owner: str = "", priority: int = 0) -> None:
        self.needs[name] = wants
        number = float(len(self.needs))
        self.waiting.append(Place(name, number, int(number), 0.0, owner=owner, priority=priority))

    def decide(self) -> list[Decision]:
        owners = sorted({place.owner for place in self.waiting})
        ranked = sorted(self.waiting, key=lambda place: place.rank)
        heads = {owner: iter([place for place in ranked if place.owner == owner]) for owner in owners}
        found = [*self.matcher.answer_claims(), *self.matcher.decide(self.matcher.fair(heads))]
        gone = {decision.run for decision in found}
        self.waiting = [place for place in self.waiting if place.id not in gone]
        return found

    def matches(self) -> list[tuple[str, str]]:
        return [(one.run, one.worker) for one in self.decide() if isinstance(one, Match)]

    def free(self, run: str, worker: str) -> None:
        self.matcher.freed(run, worker)
        self.matcher.took("", 1.0)


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    for name in ("w1", "w2"):
        desk.matcher.joined(name, ANY)
    return desk


def test_idle_workers_get_jobs_in_order(desk: Desk) -> None:
    for name in "abc":
        desk.add(name, needs())
    assert desk.matches() == [("a", "w1"), ("b", "w2")]
    assert desk.matches() == []
    desk.free("b", "w2")
    assert desk.matches() == [("c", "w2")]


def test_a_job_goes_where_its_model_is(desk: Desk) -> None:
    desk.add("a", needs("x"))
    desk.add("b", needs("y"))
    assert desk.matches() == [("a", "w1"), ("b", "w2")]
    desk.free("a", "w1")
    desk.free("b", "w2")
    desk.add("c", needs("y"))
    desk.add("d", needs("x"))
    assert desk.matches() == [("c", "w2"), ("d", "w1")]


def test_a_job_waits_for_a_busy_worker_with_its_model_while_others_pass(desk: Desk) -> None:
    for name, model in (("a", "x"), ("b", "x"), ("c", "y")):
        desk.add(name, needs(model))
    assert desk.matches() == [("a", "w1"), ("c", "w2")]
    desk.free("a", "w1")
    assert desk.matches() == [("b", "w1")]


def test_a_long_line_is_worth_another_loading(desk: Desk) -> None:
    for number in range(40):
        desk.add(f"{number:02}", needs("x"))
    assert {worker for _, worker in desk.matches()} == {"w1", "w2"}


def test_the_cold_are_told_from_the_warm(desk: Desk) -> None:
    desk.add("a", needs("x"))
    (first,) = desk.decide()
    assert isinstance(first, Match) and first.cold
    desk.free("a", "w1")
    desk.add("b", needs("x"))
    (second,) = desk.decide()
    assert isinstance(second, Match) and not second.cold


def test_a_worker_that_came_back_has_no_models(desk: Desk) -> None:
    desk.add("a", needs("x"))
    desk.matches()
    assert desk.matcher.left("w1", expected=True) == ("a",)
    desk.matcher.joined("w1", ANY)
    desk.add("b", needs("x"))
    (match,) = desk.decide()
    assert isinstance(match, Match) and match.cold


def test_the_fleet_is_shared_fairly_between_owners(desk: Desk) -> None:
    for number in range(20):
        desk.add(f"many {number:02}", needs(), owner="eve")
    desk.add("one", needs(), owner="bob")
    desk.add("two", needs(), owner="bob")
    order: list[str] = []
    for _ in range(6):
        for run, worker in desk.matches():
            order.append(run)
            desk.matcher.freed(run, worker)
            desk.matcher.took(desk_owner(run), 1.0)
    assert {"one", "two"} <= set(order[:4])


def desk_owner(run: str) -> str:
    return "eve" if run.startswith("many") else "bob"


def test_who_has_had_much_comes_later(desk: Desk) -> None:
    for name, owner in (("first", "eve"), ("second", "bob")):
        desk.add(name, needs(), owner=owner)
    for run, worker in desk.matches():
        desk.matcher.freed(run, worker)
    desk.matcher.took("eve", 100.0)
    desk.matcher.took("bob", 1.0)
    desk.add("hers", needs(), owner="eve")
    desk.add("his", needs(), owner="bob")
    assert [run for run, _ in desk.matches()] == ["his", "hers"]


def test_priorities_come_before_fairness(desk: Desk) -> None:
    desk.matcher.left("w2")
    desk.add("plain", needs(), owner="bob")
    desk.add("urgent", needs(), owner="eve", priority=5)
    assert desk.matches() == [("urgent", "w1")]


def test_workers_get_only_what_they_can_run() -> None:
    desk = Desk()
    desk.matcher.joined("small", Capabilities(frozenset({"A"}), {"checkpoints": frozenset({"x"})}, 4_000_000_000))
    desk.matcher.joined("large", Capabilities(frozenset({"A", "B"}), {"checkpoints": frozenset({"x", "y"})}, 0))
    desk.add("pack", needs(types=["B"]))
    assert desk.matches() == [("pack", "large")]
    desk.free("pack", "large")
    desk.add("model", needs("y", types=["A"]))
    assert desk.matches() == [("model", "large")]
    desk.free("model", "large")
    desk.add("memory", needs("x", types=["A"], memory=20_000_000_000))
    assert desk.matches() == [("memory", "large")]
    desk.add("anywhere", needs(types=["A"]))
    assert desk.matches() == [("anywhere", "small")]


def test_what_nobody_can_run_is_refused_with_each_reason() -> None:
    desk = Desk()
    desk.matcher.joined("one", Capabilities(frozenset({"A"})))
    desk.matcher.joined("two", Capabilities(frozenset({"A", "B"}), {"checkpoints": frozenset()}))
    desk.add("a", needs("x", types=["B"]))
    (refusal,) = desk.decide()
    assert isinstance(refusal, Refusal)
    assert "one: it has no node type B" in refusal.reason and "two: it has no checkpoints model 'x'" in refusal.reason
    desk.add("b", needs(types=["A"]))
    assert desk.matches()


def test_a_worker_that_may_come_back_is_waited_for() -> None:
    desk = Desk()
    desk.matcher.joined("one", Capabilities(frozenset({"A"})))
    desk.matcher.joined("two", Capabilities(frozenset({"B"})))
    desk.matcher.left("two", expected=True)
    desk.add("a", needs(types=["B"]))
    assert desk.decide() == []
    desk.matcher.left("two")
    assert isinstance(desk.decide()[0], Refusal)


def test_a_draining_worker_gets_nothing_more(desk: Desk) -> None:
    desk.add("a", needs())
    assert desk.matches() == [("a", "w1")]
    desk.matcher.drain("w1")
    desk.free("a", "w1")
    desk.add("b", needs())
    desk.add("c", needs())
    assert desk.matches() == [("b", "w2")]
    assert desk.matcher.slots == 1


def test_a_run_that_lost_its_worker_comes_first(desk: Desk) -> None:
    for name in "abc":
        desk.add(name, needs())
    desk.matches()
    assert desk.matcher.left("w1") == ("a",)
    desk.matcher.claim("a", needs())
    assert desk.matches() == []
    desk.free("b", "w2")
    assert desk.matches() == [("a", "w2")]


def test_a_claim_without_patience_is_dropped(desk: Desk) -> None:
    for name in "ab":
        desk.add(name, needs())
    desk.matches()
    desk.matcher.claim("a#1", needs(), patient=False)
    assert desk.decide() == []
    desk.free("b", "w2")
    assert desk.decide() == []


def test_no_more_jobs_are_looked_at_than_so_many(desk: Desk) -> None:
    asked: list[str] = []

    def needs_of(place: Place) -> Needs:
        asked.append(place.id)
        return needs("x")

    matcher = Matcher(needs_of)
    matcher.joined("w1", ANY)
    matcher.joined("w2", ANY)
    places = [Place(str(number), float(number), number, 0.0) for number in range(10 * LOOK)]
    list(matcher.decide(places))
    assert len(asked) <= LOOK


def test_each_model_is_loaded_at_most_twice_by_four_workers() -> None:
    desk = Desk()
    for number in range(4):
        desk.matcher.joined(f"w{number}", ANY)
    models = [f"m{(number * 7) % 4}" for number in range(200)]
    for number, model in enumerate(models):
        desk.add(f"{number:03}", needs(model))
    loads: dict[str, int] = {}
    running: list[Match] = []
    done = 0
    while done < len(models):
        decisions: Sequence[Decision] = desk.decide()
        for decision in decisions:
            assert isinstance(decision, Match)
            running.append(decision)
            if decision.cold:
                (model,) = (name for _, name in decision.needs.models)
                loads[model] = loads.get(model, 0) + 1
        ended = running.pop(0)
        desk.free(ended.run, ended.worker)
        done += 1
    assert sorted(loads) == ["m0", "m1", "m2", "m3"] and max(loads.values()) <= 2
