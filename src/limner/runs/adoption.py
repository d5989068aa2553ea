"""The history of version 0.1, which had a file of its own, goes into the server's database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from limner.database import moved, problem_of

_COPY = """
INSERT OR IGNORE INTO runs (id, owner, status, finished, entry)
SELECT
    id,
    coalesce(json_extract(CAST(entry AS TEXT), '$.extra.limner_owner'), ''),
    coalesce(json_extract(CAST(entry AS TEXT), '$.status'), 'failed'),
    coalesce(json_extract(CAST(entry AS TEXT), '$.finished'), 0.0),
    entry
FROM earlier.runs WHERE json_valid(CAST(entry AS TEXT)) ORDER BY position
"""


def adopt_history(file: sqlite3.Connection, earlier: Path) -> None:
    """Copy the runs of this file, if it is there, and put it aside as `*.imported`. Raises DatabaseProblem.

    Begun again, it goes on: a run that is there already is left as it is.
    """
    if not earlier.is_file():
        return
    try:
        file.execute("ATTACH ? AS earlier", (str(earlier),))
        try:
            if file.execute("SELECT 1 FROM earlier.sqlite_master WHERE name = 'runs'").fetchone():
                file.execute(_COPY)
        finally:
            file.execute("DETACH earlier")
    except sqlite3.Error as error:
        raise problem_of(error, earlier, "read") from error
    moved(earlier, earlier.with_name(f"{earlier.name}.imported"))
