"""V3 nodes: described as ComfyUI describes them, and run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from limner.comfy.object_info import describe
from limner.engine.values import Demand, Expansion, Failure, Values
from limner.graph import Lane
from tests.support.pack_host import PackHost, pack_host

PACKS = Path(__file__).parents[2] / "fixtures" / "packs_v3"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackHost]:
    with pack_host(tmp_path_factory.mktemp("base"), PACKS) as made:
        yield made


@pytest.mark.parametrize("node_type", ["V3Kinds", "V3Out", "V3Api"])
def test_object_info_is_comfyuis(host: PackHost, node_type: str) -> None:
    expected = json.loads((PACKS / "object_info.json").read_text("utf-8"))[node_type]
    said = json.loads(json.dumps(describe(host.schema(node_type), lambda _: [])))
    assert said == expected


def test_a_class_without_execute_is_named_and_the_rest_loads(host: PackHost) -> None:
    assert host.problems == ["node ActsIncomplete: TypeError: node class Incomplete has no method execute"]


async def test_hidden_inputs_stand_in_the_class(host: PackHost) -> None:
    assert await host.values("ActsHidden") == [["1", ["1", "2"], None]]


async def test_lazy_inputs(host: PackHost) -> None:
    assert await host.end("ActsLazy", which=True, a=..., b=...) == Demand(("a",))
    assert await host.values("ActsLazy", which=False, a=..., b=7) == [7]


async def test_validation_and_fingerprints(host: PackHost) -> None:
    assert await host.ask("ActsCareful", value=2) == (None, "v2")
    assert await host.ask("ActsCareful", value=4) == ("4 is too much", "v4")
    assert host.schema("ActsCareful").traits.validated_inputs == ("value",)


async def test_coroutines_run_in_their_lane(host: PackHost) -> None:
    assert host.schema("ActsLater").traits.lane is Lane.ASYNC
    outcome = await host.end("ActsLater", value=1)
    assert isinstance(outcome, Values)
    assert outcome.ui == {"text": ["done"]}
    assert host.core.items("f-1", 0) == [2]


async def test_growing_inputs_come_as_a_dict(host: PackHost) -> None:
    assert await host.values("ActsGrowing", **{"numbers.n0": 1, "numbers.n1": 2, "numbers.n2": 4}) == [7]
    short = await host.end("ActsGrowing", **{"numbers.n0": 1})
    assert isinstance(short, Failure)
    assert short.message == "input 'numbers.n1' is missing: numbers needs 2 of them"
    kind, options = describe(host.schema("ActsGrowing"), lambda _: [])["input"]["required"]["numbers"]
    assert kind == "COMFY_AUTOGROW_V3"
    assert options["template"]["prefix"] == "n" and options["template"]["max"] == 4


async def test_a_choice_brings_its_inputs(host: PackHost) -> None:
    image = torch.ones(1, 2, 2, 3)
    assert await host.values("ActsChoosing", mode="off") == [{"mode": "off"}, None]
    given = await host.values("ActsChoosing", mode="on", any=image, **{"mode.level": 3})
    assert given[0] == {"mode": "on", "level": 3}
    assert given[1] is image
    missing = await host.end("ActsChoosing", mode="on")
    assert isinstance(missing, Failure) and "mode.level" in missing.message
    entry = describe(host.schema("ActsChoosing"), lambda _: [])
    assert entry["output"] == ["*", "COMFY_MATCHTYPE_V3"]
    assert entry["output_matchtypes"] == [None, "t"]


@pytest.mark.parametrize("by_value", [True, False])
async def test_blocking(host: PackHost, by_value: bool) -> None:
    outcome = await host.end("ActsBlocking", by_value=by_value)
    assert isinstance(outcome, Values)
    assert outcome.handles[0].blocked == "no" or "no" in outcome.blocked


async def test_expansions(host: PackHost) -> None:
    outcome = await host.end("ActsExpanding", value=3)
    assert isinstance(outcome, Expansion)
    assert [node.type for node in outcome.graph.nodes.values()] == ["ActsLater"]


async def test_pictures_are_shown_with_the_workflow_inside(host: PackHost) -> None:
    from limner.media.metadata import read_texts

    outcome = await host.end("ActsShowing", image=torch.rand(1, 8, 8, 3))
    assert isinstance(outcome, Values) and outcome.ui is not None
    (shown,) = outcome.ui["images"]
    assert shown["type"] == "temp"
    texts = read_texts(host.bridge.folders.temp / shown["filename"])
    assert set(json.loads(texts["prompt"])) == {"1", "2"}
