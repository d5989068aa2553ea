"""Tells what happens in a run: numbers events from 1, gathers them, hands them to the sink in batches."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from limner.graph import NodeId

from .events import Event, StepFailed, StepFinished, StepPreview, StepProgress, StepsCached, StepStarted
from .plan import Step
from .ports import EventSink, Previewed, Progressed
from .state import StepState
from .values import Failure, Fingerprint, Values

log = logging.getLogger(__name__)


class Narrator:
    """The events of one run."""

    def __init__(self, run: str, sink: EventSink) -> None:
        self.outputs: dict[NodeId, Mapping[str, object]] = {}
        """What nodes showed, by inner id."""
        self._run = run
        self._sink = sink
        self._sequence = 0
        self._batch: list[Event] = []

    def next(self) -> int:
        """The next event's number."""
        self._sequence += 1
        return self._sequence

    def say(self, event: Event) -> None:
        self._batch.append(event)

    def flush(self) -> None:
        """Hand over what was gathered."""
        if self._batch:
            batch, self._batch = self._batch, []
            try:
                self._sink(batch)
            except Exception:  # whoever listens must not stop the run
                log.exception("the events of run %s could not be told", self._run)

    def cached(self, steps: Sequence[Step], known: Mapping[Fingerprint, Values]) -> None:
        """These steps' values were remembered."""
        shown: dict[NodeId, Mapping[str, object]] = {}
        for step in steps:
            ui = known[step.fingerprint].ui
            if ui is not None:
                shown[step.node] = ui
        self.outputs.update(shown)
        types = Counter(step.schema.type for step in steps)
        self.say(StepsCached(self._run, self.next(), tuple(step.node for step in steps), shown, types))

    def started(self, state: StepState) -> None:
        """The step runs; told once, however often it goes back for more inputs."""
        if not state.started:
            state.started = True
            step = state.step
            self.say(StepStarted(self._run, self.next(), step.display, step.node, step.schema.type))

    def progressed(self, state: StepState, report: Progressed) -> None:
        self.started(state)
        step = state.step
        self.say(
            StepProgress(self._run, self.next(), step.display, step.node, report.value, report.maximum, report.text)
        )

    def previewed(self, state: StepState, report: Previewed) -> None:
        self.started(state)
        step = state.step
        self.say(StepPreview(self._run, self.next(), step.display, step.node, report.image, report.media_type))

    def finished(self, state: StepState, values: Values) -> None:
        step = state.step
        if values.ui is not None:
            self.outputs[step.node] = values.ui
        self.say(
            StepFinished(self._run, self.next(), step.display, step.node, values.ui, values.seconds, step.schema.type)
        )

    def failed(self, state: StepState, failure: Failure) -> None:
        step = state.step
        located = self.located(state, failure)
        self.say(StepFailed(self._run, self.next(), step.display, step.node, step.schema.type, located))

    def located(self, state: StepState, failure: Failure) -> Failure:
        """The failure with the node of the user's graph that it happened at."""
        return replace(failure, node=state.step.display)
