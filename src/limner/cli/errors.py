"""How commands fail. Each ends the process with its exit code and prints its message, never a traceback."""

from __future__ import annotations


class CommandFailed(Exception):
    """The command cannot go on. `remedy` says what the user can do, in one sentence."""

    code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem)


class RunFailed(CommandFailed):
    """A node failed, or the run was interrupted."""


class BadInput(CommandFailed):
    """The command line, a file or a workflow cannot be used."""

    code = 2
