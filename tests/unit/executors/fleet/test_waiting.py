"""Jobs wait for the worker that has their models only where that takes them."""

from __future__ import annotations

from collections.abc import Sequence

from limner.executors.fleet.decisions import Match, Refusal
from limner.executors.fleet.facts import Capabilities, Needs
from limner.executors.fleet.matching import LOOK, Matcher
from limner.queue import Place

KIND = frozenset({"Kind"})
MODEL = frozenset({("checkpoints", "m")})


class Desk:
    def __init__(self) -> None:
        self.needs: dict[str, Needs] = {}
        self.matcher = Matcher(lambda place: self.needs[place.id])

    def place(self, name: str, needs: Needs, priority: int = 0) -> Place:
        self.needs[name] = needs
        return Place(name, float(len(self.needs)), len(self.needs), 0.0, priority=priority)

    def matches(self, *places: Place, now: float = 0.0) -> Sequence[tuple[str, str]]:
        ranked = sorted(places, key=lambda place: place.rank)
        decided = [*self.matcher.answer_claims(), *self.matcher.decide(ranked, len(ranked), now)]
        return [(one.run, one.worker) for one in decided if isinstance(one, Match)]

    def warmed(self, worker: str, *, busy: bool = False) -> None:
        """The worker has the model."""
        assert self.matches(self.place(f"first at {worker}", Needs(KIND, MODEL))) == [(f"first at {worker}", worker)]
        if not busy:
            self.matcher.freed(f"first at {worker}", worker)


def test_a_reserve_that_has_the_model_is_not_waited_for() -> None:
    desk = Desk()
    desk.matcher.joined("home", Capabilities(everything=True))
    desk.warmed("home")
    desk.matcher.joined("w1", Capabilities(KIND))
    desk.matcher.reserve("home", True)
    assert desk.matches(desk.place("job", Needs(KIND, MODEL))) == [("job", "w1")]


def test_a_worker_that_crawls_is_better_than_none() -> None:
    desk = Desk()
    desk.matcher.joined("w1", Capabilities(KIND))
    desk.warmed("w1")
    for _ in range(50):
        desk.matcher.compared("w1", 100.0)
    assert desk.matcher.workers["w1"].speed > 4
    assert desk.matches(desk.place("job", Needs(KIND, MODEL))) == [("job", "w1")]


def test_one_long_step_makes_no_worker_crawl() -> None:
    desk = Desk()
    desk.matcher.joined("w1", Capabilities(KIND))
    desk.matcher.compared("w1", 1000.0)
    assert desk.matcher.workers["w1"].speed < 2


def test_a_worker_that_has_the_model_and_lacks_a_type_is_not_waited_for() -> None:
    desk = Desk()
    desk.matcher.joined("w1", Capabilities(KIND))
    desk.warmed("w1", busy=True)
    desk.matcher.joined("w2", Capabilities(KIND | {"Other"}))
    assert desk.matches(desk.place("job", Needs(KIND | {"Other"}, MODEL))) == [("job", "w2")]


def test_a_worker_that_drains_is_not_waited_for() -> None:
    desk = Desk()
    desk.matcher.joined("w1", Capabilities(KIND))
    desk.warmed("w1", busy=True)
    desk.matcher.drain("w1")
    desk.matcher.joined("w2", Capabilities(KIND))
    assert desk.matches(desk.place("job", Needs(KIND, MODEL))) == [("job", "w2")]


def test_a_worker_that_takes_longer_than_expected_is_waited_for_no_more() -> None:
    desk = Desk()
    desk.matcher.joined("w1", Capabilities(KIND))
    desk.warmed("w1", busy=True)
    desk.matcher.joined("w2", Capabilities(KIND))
    job = desk.place("job", Needs(KIND, MODEL))
    assert desk.matches(job, now=100.0) == []
    assert desk.matches(job, now=105.0) == []
    assert desk.matches(job, now=200.0) == [("job", "w2")]


def test_what_no_idle_worker_can_run_holds_up_nothing_else() -> None:
    desk = Desk()
    desk.matcher.joined("w1", Capabilities(KIND | {"Rare"}))
    assert desk.matches(desk.place("long", Needs(KIND | {"Rare"}))) == [("long", "w1")]
    desk.matcher.joined("w2", Capabilities(KIND))
    rare = [desk.place(f"rare {number}", Needs(KIND | {"Rare"}), priority=5) for number in range(LOOK + 10)]
    assert desk.matches(*rare, desk.place("plain", Needs(KIND))) == [("plain", "w2")]


def test_a_job_goes_home_only_where_home_has_its_model() -> None:
    desk = Desk()
    desk.matcher.joined("home", Capabilities(models={"checkpoints": frozenset()}, everything=True))
    desk.matcher.joined("w1", Capabilities(KIND, {"checkpoints": frozenset({"m"})}))
    assert desk.matches(desk.place("job", Needs(KIND, MODEL))) == [("job", "w1")]


def test_reserves_are_no_slots() -> None:
    desk = Desk()
    desk.matcher.joined("home", Capabilities(everything=True))
    desk.matcher.joined("w1", Capabilities(KIND))
    desk.matcher.reserve("home", True)
    assert desk.matcher.slots == 1


def test_who_cannot_be_used_is_named_where_nobody_can_run_a_job() -> None:
    desk = Desk()
    desk.matcher.joined("w1", Capabilities(KIND))
    desk.matcher.unusable("old", "it runs Limner 0.9, and the server 1.0")
    (refusal,) = desk.matcher.decide([desk.place("job", Needs(frozenset({"Other"})))])
    assert isinstance(refusal, Refusal)
    assert "old: it runs Limner 0.9" in refusal.reason and "w1: it has no node type Other" in refusal.reason


def test_the_job_that_leaves_its_worker_is_one_that_helps() -> None:
    desk = Desk()
    desk.matcher.joined("w1", Capabilities(KIND | {"Rare"}))
    desk.matcher.joined("w2", Capabilities(KIND))
    places = {
        "rare": desk.place("rare", Needs(KIND | {"Rare"}), priority=1),
        "plain": desk.place("plain", Needs(KIND)),
    }
    assert desk.matches(*places.values()) == [("rare", "w1"), ("plain", "w2")]
    assert desk.matcher.victim(desk.place("urgent", Needs(KIND | {"Rare"}), priority=2), places) == "rare"
    assert desk.matcher.victim(desk.place("less", Needs(KIND | {"Rare"}), priority=1), places) is None
    assert desk.matcher.victim(desk.place("any", Needs(KIND), priority=1), places) == "plain"
    desk.matcher.freed("plain", "w2")
    assert desk.matcher.victim(desk.place("more", Needs(KIND), priority=9), places) is None


def test_whoever_comes_back_begins_with_the_least() -> None:
    desk = Desk()
    for _ in range(100):
        desk.matcher.took("busy", 10.0)
    desk.matcher.took("away", 1.0)
    heads = {"busy": iter([desk.place("b", Needs())])}
    assert [place.id for place in desk.matcher.fair(heads)] == ["b"]
    one, two = Place("a1", 1, 1, 0.0, owner="away"), Place("a2", 2, 2, 0.0, owner="away")
    other = Place("b1", 3, 3, 0.0, owner="busy")
    order = [place.id for place in desk.matcher.fair({"away": iter([one, two]), "busy": iter([other])})]
    assert order == ["a1", "b1", "a2"], "the time away is no credit"
