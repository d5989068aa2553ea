"""Messages become frames once, and the same frames again when they are asked for later."""

from __future__ import annotations

import json

import pytest

from limner.engine.events import RunFinished, RunStarted, StepFailed, StepFinished, StepStarted
from limner.engine.ports import Said
from limner.engine.values import Failure
from limner.runs import Message, QueueChanged
from limner.server import translation
from limner.server.translation import Translator


def messages(runs: int = 3) -> list[Message]:
    """Runs whose events are woven into each other."""
    failure = Failure("ValueError", "no")
    found: list[Message] = []
    for body in (
        lambda run: RunStarted(run, 1),
        lambda run: StepStarted(run, 2, "1", "1"),
        lambda run: StepFinished(run, 3, "1", "1", {"text": [run]}),
        lambda run: StepFailed(run, 4, "2", "2", "Mix", failure),
        lambda run: RunFinished(run, 5, "failed", failure=failure),
    ):
        for number in range(runs):
            run = f"r{number}"
            found.append(Message(len(found) + 1, body(run), run, None, 0.0))
    return found


def texts(translator: Translator, batch: list[Message]) -> list[str]:
    return [frame.text or "" for message in batch for frame in translator.frames(message) if frame.view is None]


def test_a_message_is_translated_once() -> None:
    translator, batch = Translator(), messages()
    first = [translator.frames(message) for message in batch]
    assert [translator.frames(message) for message in batch] == first
    assert all(again is frames for again, frames in zip(map(translator.frames, batch), first, strict=True))


def test_what_is_forgotten_is_translated_again_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation, "KEPT_MESSAGES", 1)
    translator, batch = Translator(), messages()
    first = texts(translator, batch)
    assert texts(translator, batch) == first
    assert texts(translator, batch[3:]) != []
    assert texts(translator, batch) == first
    error = next(json.loads(text) for text in first if "execution_error" in text)
    assert error["data"]["node_type"] == "Mix" and error["data"]["executed"] == ["1"]


def test_of_several_states_in_a_batch_the_last_is_sent() -> None:
    translator = Translator()
    kinds = [json.loads(frame.text or "")["type"] for _, frame in translator.batch(messages(runs=1))]
    assert kinds.count("progress_state") == 1
    assert kinds[-3:] == ["progress_state", "execution_error", "executing"]


def test_of_several_lengths_of_the_queue_in_a_batch_the_last_is_sent() -> None:
    batch = [Message(number, QueueChanged(number), None, None, 0.0) for number in range(1, 4)]
    (only,) = Translator().batch(batch)
    assert json.loads(only[1].text or "")["data"]["status"]["exec_info"]["queue_remaining"] == 3


def test_a_frame_is_written_once_for_all() -> None:
    translator = Translator()
    for message in messages(runs=1):
        for frame in translator.frames(message):
            assert frame.encoded is frame.encoded
            assert json.loads(frame.encoded)["sequence"] == message.sequence


def test_what_is_no_event_of_a_run() -> None:
    translator = Translator()
    (status,) = translator.frames(Message(1, QueueChanged(4), None, None, 0.0))
    assert json.loads(status.text or "")["data"]["status"]["exec_info"]["queue_remaining"] == 4
    (said,) = translator.frames(Message(2, Said("my.event", {"a": 1}), None, None, 0.0))
    assert json.loads(said.text or "") == {"type": "my.event", "data": {"a": 1}, "sequence": 2}
    assert translator.frames(Message(3, object(), None, None, 0.0)) == ()
