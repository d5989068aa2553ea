"""What packs do with ComfyUI's node contract, one row each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limner.comfy.object_info import describe
from limner.engine.values import Values
from limner.graph import Lane, Link
from tests.support.pack_host import PackHost, pack_host

PACKS = Path(__file__).parents[2] / "fixtures" / "packs_contract"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackHost]:
    with pack_host(tmp_path_factory.mktemp("base"), PACKS) as made:
        assert made.problems == []
        yield made


def entry(host: PackHost, node_type: str) -> dict[str, Any]:
    return describe(host.schema(node_type), lambda _: [])


@pytest.mark.parametrize(
    ("node_type", "inputs", "values"),
    [
        ("Options", {"number": 1, "ratio": 0.5}, [2]),
        ("Wild", {"value": "x"}, ["x"]),
        ("Endless", {}, [1, "two", 3.0]),
        ("AnyInputs", {"known": 1, "other": 2}, [[("known", 1), ("other", 2)]]),
        ("Hidden", {}, [["1", ["1", "2"], ["workflow"], True]]),
        ("Raw", {"value": Link("7", 2)}, [["7", 2]]),
        ("Later", {"value": 4}, [8]),
        ("Ui", {"value": "said"}, ["said"]),
        ("Lists", {"value": 3}, [3, 3]),
        ("Root", {}, [[True]]),
        ("ChoiceOut", {}, ["a"]),
    ],
)
async def test_it_runs(host: PackHost, node_type: str, inputs: dict[str, Any], values: list[object]) -> None:
    assert list(await host.values(node_type, **inputs))[: len(values)] == values


def test_options_reach_the_editor_as_they_are(host: PackHost) -> None:
    said = entry(host, "Options")["input"]["required"]
    assert said["number"] == [
        "INT",
        {"default": 1, "min": 0, "max": 9, "display": "slider", "control_after_generate": True},
    ]
    assert said["ratio"][1] == {"default": 0.5, "round": 0.01, "step": 0.1, "tooltip": "how much"}
    assert said["text"][1] == {"multiline": True, "dynamicPrompts": False, "placeholder": "say"}
    assert said["flag"][1] == {"default": True, "label_on": "yes", "label_off": "no"}
    assert said["linked"][1] == {"forceInput": True, "defaultInput": True}
    assert said["picture"] == [["a.png"], {"image_upload": True, "image_folder": "input"}]
    assert said["custom"] == ["CURVE", {"widgetType": "CURVE"}]


def test_outputs_without_end_are_linked_to_and_not_shown(host: PackHost) -> None:
    said = entry(host, "Endless")
    assert (said["output"], said["output_name"], said["output_is_list"]) == (["*"], ["*"], [False])
    assert len(host.schema("Endless").outputs) > 8


def test_outputs_of_choices(host: PackHost) -> None:
    said = entry(host, "ChoiceOut")
    assert said["output"] == [["a", "b"]]
    assert said["output_name"] == [["a", "b"]]


def test_marks(host: PackHost) -> None:
    said = entry(host, "Marked")
    assert said["description"] == "what it does"
    assert said["deprecated"] is True and said["experimental"] is True
    assert said["output_tooltips"] == ["a number"]
    assert said["output_name"] == ["count"]
    assert host.schema("Marked").traits.unshared
    assert host.schema("Later").traits.lane is Lane.ASYNC
    assert host.schema("Ui").traits.output


async def test_what_the_editor_shows_is_plain(host: PackHost) -> None:
    outcome = await host.end("Ui", value="x")
    assert isinstance(outcome, Values) and outcome.ui is not None
    assert outcome.ui["text"] == ["x"]


async def test_a_blocker_blocks_its_output_alone(host: PackHost) -> None:
    outcome = await host.end("Blocks")
    assert isinstance(outcome, Values)
    assert [handle.blocked is not None for handle in outcome.handles] == [False, True]
