"""How an upgrade fails."""

from __future__ import annotations


class UpgradeProblem(Exception):
    """Nothing has changed; `remedy` says what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}. {remedy}")
