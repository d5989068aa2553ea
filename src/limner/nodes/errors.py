"""What a node says when it cannot work with what it was given."""

from __future__ import annotations


class UnusableInput(ValueError):
    """`problem` says what is wrong, naming the input; `remedy` what the user can do; the message holds both."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy
