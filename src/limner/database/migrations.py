"""How a database gets the tables that this version wants: numbered steps, each applied once, in their order.

The steps of a kind of database are the files `sql/<kind>/NNNN-name.sql`, numbered from 1 without a gap; a file that has
been released is never changed. A database keeps the number of its last step as its `user_version`. Each step is one
transaction with its number, so that a process that dies between two of them, or two processes at once, do no harm. A
database of a higher number than there are steps is refused, untouched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from .errors import DatabaseNewer


@dataclass(frozen=True, slots=True)
class Migration:
    """One step."""

    number: int
    name: str
    script: str


@cache
def migrations(kind: str) -> tuple[Migration, ...]:
    """The steps of a kind of database, in their order. Raises ValueError where the numbers have a gap."""
    scripts = [item for item in files(__package__).joinpath("sql", kind).iterdir() if item.name.endswith(".sql")]
    found = []
    for script in sorted(scripts, key=lambda item: item.name):
        number, _, name = script.name.removesuffix(".sql").partition("-")
        found.append(Migration(int(number), name, script.read_text("utf-8")))
    if [step.number for step in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations of {kind} are not numbered from 1 on")
    return tuple(found)


def version(file: sqlite3.Connection) -> int:
    """The number of the last step that was applied; 0 for an empty database."""
    return int(file.execute("PRAGMA user_version").fetchone()[0])


def migrate(file: sqlite3.Connection, steps: Sequence[Migration], path: Path) -> None:
    """Apply the steps that the database lacks. Raises DatabaseNewer, sqlite3.Error."""
    known = version(file)
    if known > len(steps):
        raise DatabaseNewer(
            f"the database {path} was written by a newer version of Limner: its tables have number {known}, "
            f"and this version knows them up to {len(steps)}",
            "Install that version again, restore a backup from before, or move the file away",
        )
    for step in steps[known:]:
        _apply(file, step)


def _apply(file: sqlite3.Connection, step: Migration) -> None:
    file.execute("BEGIN IMMEDIATE")
    try:
        if version(file) < step.number:  # else another process was first
            for statement in statements(step.script):
                file.execute(statement)
            file.execute(f"PRAGMA user_version = {step.number}")
        file.execute("COMMIT")
    except BaseException:
        if file.in_transaction:
            file.execute("ROLLBACK")
        raise


def statements(script: str) -> Iterator[str]:
    """The statements of a script; `executescript` would end the transaction that they stand in."""
    begun = ""
    for line in script.splitlines(keepends=True):
        if not begun and line.lstrip().startswith("--"):
            continue
        begun += line
        if begun.strip() and sqlite3.complete_statement(begun):
            yield begun.strip()
            begun = ""
    if begun.strip():
        yield begun.strip()
