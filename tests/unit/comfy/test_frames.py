"""Engine events as frames; the whole of a run is in tests/wire."""

from __future__ import annotations

import json
import struct
from typing import Any

from limner.comfy.frames import MOST_STATES, Frame, RunView, outputs_list, preview_frame, status_frame, text_frame
from limner.engine.events import (
    Event,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepPreview,
    StepProgress,
    StepsCached,
    StepStarted,
)
from limner.engine.values import Failure


def tell(view: RunView, *events: Event) -> list[Any]:
    """The JSON frames of these events."""
    frames = [frame for number, event in enumerate(events, 10) for frame in view.frames(event, number, 1.5)]
    return [json.loads(frame.text) for frame in frames if frame.text is not None]


def test_the_status() -> None:
    frame = json.loads(status_frame(3, 7, "me").text or "")
    assert frame == {
        "type": "status",
        "data": {"status": {"exec_info": {"queue_remaining": 3}}, "sid": "me"},
        "sequence": 7,
    }


def test_an_expanded_node_is_shown_on_the_users_node() -> None:
    started, states, finished, executed = tell(
        RunView("r"), StepStarted("r", 1, "5", "5.0.1"), StepFinished("r", 2, "5", "5.0.1", {"text": ["x"]})
    )
    assert started["data"] == {"node": "5.0.1", "display_node": "5", "prompt_id": "r"}
    step = states["data"]["nodes"]["5.0.1"]
    assert (step["display_node_id"], step["parent_node_id"], step["real_node_id"]) == ("5", "5", "5")
    assert finished["data"]["nodes"]["5.0.1"]["state"] == "finished"
    assert executed["data"] == {"node": "5.0.1", "display_node": "5", "output": {"text": ["x"]}, "prompt_id": "r"}
    assert [frame["sequence"] for frame in (started, states, finished, executed)] == [10, 10, 11, 11]


def test_cached_output_nodes_show_what_they_showed() -> None:
    start, cached, executed = tell(
        RunView("r"), RunStarted("r", 1), StepsCached("r", 2, ("1", "9"), {"9": {"images": []}})
    )
    assert start["data"] == {"prompt_id": "r", "timestamp": 1500}
    assert cached["data"] == {"prompt_id": "r", "nodes": ["1", "9"], "timestamp": 1500}
    assert executed["data"]["output"] == {"images": []}


def test_a_failure_names_the_node_and_the_remedy() -> None:
    failure = Failure("ValueError", "too small", remedy="Give more", traceback=("line",), inputs={"a": [1]})
    frames = tell(
        RunView("r"),
        StepFinished("r", 1, "1", "1"),
        StepFailed("r", 2, "3", "3", "Mix", failure),
        RunFinished("r", 3, "failed", failure=failure),
    )
    error, last = frames[-2:]
    assert error["type"] == "execution_error" and error["prompt_id"] == "r"
    assert error["error"] == "node 3 (Mix): too small. Give more"
    assert error["data"] == {
        "prompt_id": "r",
        "timestamp": 1500,
        "node_id": "3",
        "node_type": "Mix",
        "executed": ["1"],
        "exception_message": "too small. Give more",
        "exception_type": "ValueError",
        "traceback": ["line"],
        "current_inputs": {"a": [1]},
        "current_outputs": ["1"],
        "remedy": "Give more",
    }
    assert last["data"] == {"node": None, "prompt_id": "r"}


def test_a_run_without_any_step_may_fail_too() -> None:
    error, _ = tell(RunView("r"), RunFinished("r", 1, "failed"))
    assert error["data"]["node_id"] is None and error["error"]


def test_every_output_has_images() -> None:
    listed = outputs_list({"1": {"images": [{"filename": "a"}]}, "2": {"text": ["x"]}})
    assert listed == [
        {"node": "1", "images": [{"filename": "a"}]},
        {"node": "2", "text": ["x"], "images": []},
    ]


def test_previews_and_texts_are_binary() -> None:
    frame = preview_frame(StepPreview("r", 1, "3", "3.1", b"PNG", "image/png"))
    assert frame.text is None
    assert frame.binary == struct.pack(">II", 1, 2) + b"PNG"
    assert frame.described is not None
    kind, length = struct.unpack(">II", frame.described[:8])
    assert kind == 4 and frame.described[8 + length :] == b"PNG"
    assert json.loads(frame.described[8 : 8 + length])["node_id"] == "3.1"
    told = text_frame("run", "3", "half")
    assert told.binary == struct.pack(">II", 3, 1) + b"3half"
    assert told.described == struct.pack(">II", 3, 3) + b"run" + struct.pack(">I", 1) + b"3half"
    frames = list(RunView("r").frames(StepProgress("r", 1, "3", "3", 0, 0, "words"), 1, 0))
    assert frames == [text_frame("r", "3", "words")]


def test_steps_are_counted_in_whole_numbers() -> None:
    progress, states = tell(RunView("r"), StepProgress("r", 1, "3", "3", 4.0, 20.0))
    assert [repr(progress["data"][name]) for name in ("value", "max")] == ["4", "20"]
    assert repr(states["data"]["nodes"]["3"]["value"]) == "4"
    progress, _ = tell(RunView("r"), StepProgress("r", 1, "3", "3", 0.5, 2.5))
    assert (progress["data"]["value"], progress["data"]["max"]) == (0.5, 2.5)


def test_states_are_written_when_they_are_sent_and_stay_few() -> None:
    view = RunView("r")
    first: Frame | None = None
    for number in range(3 * MOST_STATES):
        name = str(number)
        frames = [
            *view.frames(StepStarted("r", 1, name, name), 1, 0),
            *view.frames(StepFinished("r", 2, name, name), 2, 0),
        ]
        first = first or frames[-1]
    assert first is not None
    told = json.loads(first.text or "")
    assert told["type"] == "progress_state" and told["sequence"] == 2
    assert len(told["data"]["nodes"]) <= MOST_STATES
    assert str(3 * MOST_STATES - 1) in told["data"]["nodes"]


def test_a_blocked_step_is_an_error_that_does_not_end_the_run() -> None:
    failure = Failure("ExecutionBlocked", "Execution Blocked: no entry", node="3")
    frames = tell(
        RunView("r"), StepFailed("r", 1, "3", "3.0.0.1", "Mix", failure), RunFinished("r", 2, "done", outputs={})
    )
    told = [(frame["type"], frame["data"].get("node_id")) for frame in frames if frame["type"] != "progress_state"]
    assert told == [("execution_error", "3"), ("execution_success", None), ("executing", None)]
    assert frames[-3]["data"]["exception_type"] == "ExecutionBlocked"
