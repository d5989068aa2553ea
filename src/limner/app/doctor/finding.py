"""What an examination finds: one line each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How much it matters."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing is wrong."""
    WARNING = "warning"
    """Something will not work, or not well."""
    PROBLEM = "problem"
    """A server does not start, or runs nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was looked at, what was `found` there, and the `remedy`, which only what is well has none of."""

    level: Level
    what: str
    found: str
    remedy: str = ""


def well(what: str, found: str) -> Finding:
    return Finding(Level.OK, what, found)


def noted(what: str, found: str, remedy: str) -> Finding:
    return Finding(Level.NOTE, what, found, remedy)


def warned(what: str, found: str, remedy: str) -> Finding:
    return Finding(Level.WARNING, what, found, remedy)


def failed(what: str, found: str, remedy: str) -> Finding:
    return Finding(Level.PROBLEM, what, found, remedy)
