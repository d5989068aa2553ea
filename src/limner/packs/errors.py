"""What can go wrong with a pack, each with the remedy.

PackProblem
├── UnknownPack     there is none of this name
├── PackExists      there is one of this name already
├── BadSource       what it shall come from cannot be read, reached or trusted
├── Clash           its requirements cannot be met beside the others
└── Busy            another command works on the packs
"""

from __future__ import annotations


class PackProblem(Exception):
    """`problem` says what is wrong, `remedy` what the user can do about it."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}. {remedy}" if remedy else problem)
        self.problem, self.remedy = problem, remedy


class UnknownPack(PackProblem):
    """There is no such pack."""


class PackExists(PackProblem):
    """There is such a pack already."""


class BadSource(PackProblem):
    """This cannot be installed."""


class Clash(PackProblem):
    """The requirements of packs cannot be met together."""


class Busy(PackProblem):
    """Another command works on the packs."""
