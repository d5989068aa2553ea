"""What is wrong with a graph. Validation gathers every problem, then raises `InvalidGraph` once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and what to do about it.

    `code` is ComfyUI's error type (`required_input_missing`, `value_not_in_list`, ...); `message` its one-line
    headline; `detail` one line on the case at hand (ComfyUI calls it `details`); `remedy` what the user can do; `node`
    and `input` are empty where the problem is the whole graph's; `details` is JSON for programs (ComfyUI calls it
    `extra_info`).
    """

    code: str
    message: str
    remedy: str = ""
    node: str = ""
    input: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    detail: str = ""

    def __str__(self) -> str:
        where = " ".join(
            part
            for part in (f"node {self.node}" if self.node else "", f"input '{self.input}'" if self.input else "")
            if part
        )
        text = f"{where}: {self.message}" if where else self.message
        if self.detail and self.detail != self.input:
            text = f"{text} ({self.detail})"
        return f"{text}. {self.remedy}" if self.remedy else text


class InvalidGraph(ValueError):
    """The graph cannot run; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))
