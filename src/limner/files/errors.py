"""What can go wrong with a name, a folder or a file, each with the remedy in the message.

FileProblem
├── UnsafeName      a name that leads out of its folder, or that no file can have
├── MissingFile     no such file in the folder
├── UnknownFolder   no such kind of folder
├── BadFile         a file whose content cannot be used
└── CannotWrite     the disk is full, read-only, or the name too long
"""

from __future__ import annotations


class FileProblem(Exception):
    """`problem` says what is wrong, `remedy` what the user can do about it; the message holds both."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[FileProblem], tuple[str, str]]:
        return type(self), (self.problem, self.remedy)


class UnsafeName(FileProblem):
    """This name is refused before it touches the disk."""


class MissingFile(FileProblem):
    """There is no such file."""


class UnknownFolder(FileProblem):
    """There is no such kind of folder."""


class BadFile(FileProblem):
    """This file is there and cannot be used."""


class CannotWrite(FileProblem):
    """The system refuses to write this file."""
