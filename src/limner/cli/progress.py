"""What a run looks like in a terminal: one bar for the step at work, with its rate and the time left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from limner.engine.events import Event, StepFinished, StepProgress, StepStarted


class Rate(ProgressColumn):
    """Iterations a second, or seconds an iteration where that is more."""

    max_refresh = 0.2

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed or not task.total:
            return Text("")
        return Text(f"{speed:.1f} it/s" if speed >= 1 else f"{1 / speed:.1f} s/it", style="cyan")


class Remaining(ProgressColumn):
    """The time left, while it can be told."""

    max_refresh = 0.2

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        if left is None or not task.total:
            return Text("")
        minutes, seconds = divmod(round(left), 60)
        return Text(f"{minutes}:{seconds:02d} left", style="green")


class Steps(ProgressColumn):
    """Steps done of all."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:.0f}/{task.total:.0f}" if task.total else "")


class RunProgress:
    """Shows a run's events; a context manager, and the sink of the run."""

    def __init__(self, console: Console, names: Mapping[str, str]) -> None:
        self._names = names
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            Steps(),
            Rate(),
            Remaining(),
            console=console,
            transient=False,
        )
        self._status = self._bars.add_task("Starting", total=None)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.remove_task(self._status)
        self._bars.stop()

    def say(self, what: str) -> None:
        """Show what is going on, until something else is."""
        self._bars.update(self._status, description=what)

    def __call__(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case StepStarted(node=node):
                    self.say(self._names.get(node, node))
                case StepProgress(node=node, value=value, maximum=maximum):
                    self._advance(node, value, maximum)
                case StepFinished(node=node) if node in self._tasks:
                    bar = self._tasks.pop(node)
                    self._bars.update(bar, completed=self._bars.tasks[self._bars.task_ids.index(bar)].total)
                case _:
                    pass

    def _advance(self, node: str, value: float, maximum: float) -> None:
        bar = self._tasks.get(node)
        if bar is None:
            bar = self._tasks[node] = self._bars.add_task(self._names.get(node, node), total=maximum)
        self._bars.update(bar, completed=value, total=maximum)
