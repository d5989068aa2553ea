"""What a terminal shows of a run."""

from __future__ import annotations

import io

from rich.console import Console

from limner.cli.progress import RunProgress
from limner.engine.events import RunStarted, StepFinished, StepProgress, StepStarted


def shown(*values: float) -> str:
    """The last screen of a sampler that was seen at these steps of 20."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    with RunProgress(console, {"3": "Sampler", "8": "Decoder"}) as progress:
        progress([RunStarted("r", 1), StepStarted("r", 2, "3", "3")])
        for value in values:
            progress([StepProgress("r", 3, "3", "3", value, 20)])
        progress([StepFinished("r", 4, "3", "3"), StepStarted("r", 5, "8", "8"), StepFinished("r", 6, "8", "8")])
    return stream.getvalue()


def test_a_bar_shows_the_node_its_steps_and_its_rate() -> None:
    screen = shown(1, 10, 20)
    assert "Sampler" in screen
    assert "20/20" in screen
    assert "it/s" in screen


def test_a_node_that_stops_early_is_shown_as_done() -> None:
    assert "20/20" in shown(1, 2)


def test_a_node_without_progress_has_no_bar_of_its_own() -> None:
    assert "Decoder  ━" not in shown(20)
