"""Engine events as ComfyUI's WebSocket frames.

Rules: a JSON frame has `type`, `data` and the message's `sequence`, and for the frames of a run also `prompt_id` at the
top level; the last one has `outputs` (a list, one entry an output node, each with `images`) or `error` there. Several
frames may come of one event, all with its sequence. `progress_state` repeats what all steps of a run do, so that only
the last one of several that wait to be sent needs to be, and it is written when it is sent. Previews and texts of
progress are binary, plain for clients that do not know better, and with the run that they are of for those that
announced `supports_preview_metadata` and `supports_progress_text_metadata`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from limner.engine.values import BLOCKED

from .object_info import encode

PREVIEW_IMAGE = 1
TEXT = 3
PREVIEW_IMAGE_WITH_METADATA = 4
IMAGE_TYPES = {"image/jpeg": 1, "image/png": 2}
MOST_STATES = 256
"""Steps that `progress_state` tells of; beyond it, those that ended first are left out."""


@dataclass(slots=True)
class Frame:
    """What goes over a socket: JSON, or `binary`, with `described` its form for clients that announced `feature`.

    A frame with a `view` has the state of that run when it is first sent, and stands for all earlier ones of the run.
    """

    json: str | None = None
    binary: bytes | None = None
    described: bytes | None = None
    feature: str = "supports_preview_metadata"
    view: RunView | None = None
    sequence: int = 0
    _encoded: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def text(self) -> str | None:
        """The JSON of a frame that is not binary."""
        return self.view.states(self.sequence) if self.view is not None else self.json

    @property
    def encoded(self) -> bytes:
        """The same in UTF-8, made once for all clients that it is sent to."""
        if self._encoded is None:
            self._encoded = (self.text or "").encode()
        return self._encoded


def json_frame(kind: str, data: object, sequence: int, **top: object) -> Frame:
    """A JSON frame; `top` are further keys beside `type`, `data` and `sequence`."""
    return Frame(json=encode({"type": kind, "data": data, "sequence": sequence, **top}).decode())


def status_frame(remaining: int, sequence: int, sid: str | None = None) -> Frame:
    """How many jobs wait or run; `sid` tells a new client its id."""
    data: dict[str, object] = {"status": {"exec_info": {"queue_remaining": remaining}}}
    if sid is not None:
        data["sid"] = sid
    return json_frame("status", data, sequence)


def preview_frame(event: StepPreview) -> Frame:
    kind = IMAGE_TYPES.get(event.media_type, 1)
    metadata = encode({**_place(event.run, event.node, event.inner), "image_type": event.media_type})
    described = struct.pack(">II", PREVIEW_IMAGE_WITH_METADATA, len(metadata)) + metadata + event.image
    return Frame(binary=struct.pack(">II", PREVIEW_IMAGE, kind) + event.image, described=described)


def text_frame(run: str, node: str, text: str) -> Frame:
    name, of = node.encode("utf-8", "replace"), run.encode("utf-8", "replace")
    told = struct.pack(">I", len(name)) + name + text.encode("utf-8", "replace")
    kind = struct.pack(">I", TEXT)
    described = kind + struct.pack(">I", len(of)) + of + told
    return Frame(binary=kind + told, described=described, feature="supports_progress_text_metadata")


def _place(run: str, node: str, inner: str) -> dict[str, object]:
    """Where something happens: the running node, and the node of the user's graph that shows it."""
    return {
        "node_id": inner,
        "prompt_id": run,
        "display_node_id": node,
        "parent_node_id": None if inner == node else node,
        "real_node_id": node,
    }


@dataclass(slots=True)
class RunView:
    """One run as its frames tell it: they repeat the state of every step that has begun."""

    run: str
    sequence: int = 0
    time: float = 0.0
    steps: dict[str, dict[str, object]] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)
    failed: StepFailed | None = None
    _states: str | None = None

    def frames(self, event: Event, sequence: int, time: float) -> Iterator[Frame]:
        """The frames of the run's next event: its number among all messages, and the Unix time that it happened at."""
        self.sequence, self.time = sequence, time
        match event:
            case RunStarted():
                yield self._told("execution_start")
            case StepsCached():
                yield from self._cached(event)
            case StepStarted():
                self._mark(event.node, event.inner, 0, 1, "running")
                data = {"node": event.inner, "display_node": event.node, "prompt_id": self.run}
                yield self._frame("executing", data)
                yield self._changed()
            case StepProgress():
                yield from self._progress(event)
            case StepPreview():
                yield preview_frame(event)
            case StepFinished():
                yield from self._finished(event)
            case StepFailed():
                self._mark(event.node, event.inner, None, None, "error")
                yield self._changed()
                if event.failure.kind == BLOCKED:  # the run goes on, and its end says nothing of it
                    told = failure_data(event, event, self.executed)
                    yield self._told("execution_error", told)
                else:
                    self.failed = event
            case RunFinished():
                yield from self._end(event)
            case _:
                return

    def _frame(self, kind: str, data: Mapping[str, object], **top: object) -> Frame:
        return json_frame(kind, data, self.sequence, prompt_id=self.run, **top)

    def _told(self, kind: str, data: Mapping[str, object] | None = None) -> Frame:
        return self._frame(kind, {"prompt_id": self.run, **(data or {}), "timestamp": int(self.time * 1000)})

    def _cached(self, event: StepsCached) -> Iterator[Frame]:
        nodes = list(event.nodes)
        self.executed.extend(nodes)
        yield self._told("execution_cached", {"nodes": nodes})
        for node, shown in event.ui.items():
            yield self._executed(node, node, shown)

    def _progress(self, event: StepProgress) -> Iterator[Frame]:
        if event.text:
            yield text_frame(self.run, event.inner, event.text)
        if event.maximum > 0:
            value, maximum = _whole(event.value), _whole(event.maximum)
            self._mark(event.node, event.inner, value, maximum, "running")
            data = {"value": value, "max": maximum, "prompt_id": self.run, "node": event.inner}
            yield self._frame("progress", data)
            yield self._changed()

    def _finished(self, event: StepFinished) -> Iterator[Frame]:
        self.executed.append(event.inner)
        self._mark(event.node, event.inner, None, None, "finished")
        yield self._changed()
        if event.ui is not None:
            yield self._executed(event.node, event.inner, event.ui)

    def _executed(self, node: str, inner: str, shown: Mapping[str, object]) -> Frame:
        data = {"node": inner, "display_node": node, "output": shown, "prompt_id": self.run}
        return self._frame("executed", data)

    def _mark(self, node: str, inner: str, value: float | None, maximum: float | None, state: str) -> None:
        step = self.steps.get(inner)
        if step is None:
            step = self.steps[inner] = {"value": 0, "max": 1, **_place(self.run, node, inner)}
        if maximum is None:
            value = maximum = step["max"]  # type: ignore[assignment]
        step.update(value=value, max=maximum, state=state)
        self._states = None
        if len(self.steps) > MOST_STATES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        ended = [inner for inner, step in self.steps.items() if step["state"] != "running"]
        for inner in ended[: len(self.steps) - MOST_STATES // 2]:
            del self.steps[inner]

    def states(self, sequence: int) -> str:
        """The `progress_state` of now: what runs, and the latest of what has ended."""
        if self._states is None:
            data = encode({"prompt_id": self.run, "nodes": self.steps}).decode()
            run = encode(self.run).decode()
            self._states = f'{{"type":"progress_state","data":{data},"prompt_id":{run},"sequence":'
        return f"{self._states}{sequence}}}"

    def _changed(self) -> Frame:
        return Frame(view=self, sequence=self.sequence)

    def _end(self, event: RunFinished) -> Iterator[Frame]:
        data = {"prompt_id": self.run, "timestamp": int(self.time * 1000)}
        if event.status == "done":
            yield self._frame("execution_success", data, outputs=outputs_list(event.outputs))
        else:
            kind = "execution_interrupted" if event.status == "cancelled" else "execution_error"
            told = failure_data(event, self.failed, self.executed)
            yield self._frame(kind, {**data, **told}, error=error_text(event, self.failed))
        yield self._frame("executing", {"node": None, "prompt_id": self.run})


def _whole(number: float) -> float:
    """Clients count in whole numbers where there are any."""
    return int(number) if number == int(number) else number


def outputs_list(outputs: Mapping[str, Mapping[str, object]]) -> list[dict[str, object]]:
    """What the output nodes show, one entry each; every entry has `images`, empty where the node shows none."""
    return [{"node": node, **shown, "images": shown.get("images") or []} for node, shown in outputs.items()]


def failure_data(event: RunFinished | StepFailed, failed: StepFailed | None, executed: Sequence[str]) -> dict[str, Any]:
    """ComfyUI's description of what stopped a run, or a step of it."""
    failure = event.failure or (failed.failure if failed else None)
    node = (failed.node if failed else "") or (failure.node if failure else "")
    told: dict[str, Any] = {
        "node_id": node or None,
        "node_type": failed.type if failed else None,
        "executed": list(executed),
    }
    if isinstance(event, RunFinished) and event.status == "cancelled":
        return told
    told |= {
        "exception_message": with_remedy(failure.message, failure.remedy) if failure else "The run failed",
        "exception_type": failure.kind if failure else "Exception",
        "traceback": list(failure.traceback) if failure else [],
        "current_inputs": dict(failure.inputs) if failure else {},
        "current_outputs": list(executed),
    }
    if failure and failure.remedy:
        told["remedy"] = failure.remedy
    return told


def error_text(event: RunFinished, failed: StepFailed | None) -> str:
    """One line on why a run ended without success."""
    if event.status == "cancelled":
        return "The run was interrupted"
    failure = event.failure or (failed.failure if failed else None)
    if failure is None:
        return "The run failed"
    where = f"node {failed.node} ({failed.type}): " if failed else ""
    return f"{where}{with_remedy(failure.message, failure.remedy)}"


def with_remedy(message: str, remedy: object) -> str:
    """What ComfyUI's clients show of a failure: they know of one text only."""
    return f"{message.rstrip('.')}. {remedy}" if remedy else message
