"""Messages of the bus as frames, each translated once for all the clients that get it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from limner.comfy.frames import Frame, RunView, json_frame, status_frame
from limner.engine.events import RunFinished
from limner.engine.ports import Said
from limner.runs import Message, QueueChanged

KEPT_MESSAGES = 4096
KEPT_RUNS = 256


class Translator:
    """Frames repeat what a run has done so far, so that its messages are translated in order, the first time."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Sequence[Frame]] = OrderedDict()
        self._views: OrderedDict[str, RunView] = OrderedDict()
        self._past: OrderedDict[str, RunView] = OrderedDict()
        self._latest = 0

    def frames(self, message: Message) -> Sequence[Frame]:
        """What a client is sent of a message; previews and texts of progress among it."""
        known = self._known.get(message.sequence)
        if known is not None:
            return known
        frames = tuple(self._translate(message))
        if not any(frame.binary for frame in frames):  # pictures are large, and go to one client only
            self._known[message.sequence] = frames
        self._latest = max(self._latest, message.sequence)
        while len(self._known) > KEPT_MESSAGES:
            self._known.popitem(last=False)
        return frames

    def batch(self, messages: Iterable[Message]) -> Iterator[tuple[Message, Frame]]:
        """The frames of several messages, of those that stand for all before them only the last."""
        found = [(message, frame) for message in messages for frame in self.frames(message)]
        last = {stands_for(*each): index for index, each in enumerate(found)}
        for index, (message, frame) in enumerate(found):
            name = stands_for(message, frame)
            if name is None or last[name] == index:
                yield message, frame

    def _translate(self, message: Message) -> Sequence[Frame]:
        body = message.body
        if isinstance(body, QueueChanged):
            return [status_frame(body.remaining, message.sequence)]
        if isinstance(body, Said):
            return [json_frame(body.event, body.data, message.sequence)]
        if message.run is None:
            return []
        view = self._view(message.run, message.sequence)
        frames = list(view.frames(body, message.sequence, message.time))  # type: ignore[arg-type]
        if isinstance(body, RunFinished):
            (self._past if message.sequence <= self._latest else self._views).pop(message.run, None)
        return frames

    def _view(self, run: str, sequence: int) -> RunView:
        if sequence <= self._latest:  # a message from long ago, asked for again: the run has gone on since
            return self._past_view(run, sequence)
        view = self._views.get(run)
        if view is None:
            view = self._views[run] = RunView(run)
            while len(self._views) > KEPT_RUNS:
                self._views.popitem(last=False)
        return view

    def _past_view(self, run: str, sequence: int) -> RunView:
        """A run as it stood then, if its messages are asked for in their order."""
        view = self._past.get(run)
        if view is None or view.sequence >= sequence:
            view = self._past[run] = RunView(run)
            while len(self._past) > KEPT_RUNS:
                self._past.popitem(last=False)
        return view


def stands_for(message: Message, frame: Frame) -> object:
    """What a frame tells the whole of, so that those before it need not be sent; None for one that tells its own."""
    if frame.view is not None:
        return id(frame.view)
    return QueueChanged if isinstance(message.body, QueueChanged) else None
