"""The server's databases: SQLite in WAL mode, with numbered migrations, written in a thread of their own.

    database = Database(path, "server")         # made, or brought up to this version; raises DatabaseProblem
    await database.write(lambda file: file.execute("INSERT ..."), safe=True)
    database.rows("SELECT ...", values)
    database.close()

`opened(path, kind)` is a plain connection to such a file, for what writes seldom. The tables of each kind are in
`sql/<kind>/`. Standard library only.
"""

from .database import Database
from .errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseFull,
    DatabaseNewer,
    DatabaseProblem,
    DatabaseReadOnly,
    problem_of,
)
from .files import COMPANIONS, moved, opened
from .lock import Lock
from .mending import Salvage, damaged, salvage
from .migrations import Migration, migrate, migrations, version

__all__ = [
    "COMPANIONS",
    "Database",
    "DatabaseBusy",
    "DatabaseDamaged",
    "DatabaseFull",
    "DatabaseNewer",
    "DatabaseProblem",
    "DatabaseReadOnly",
    "Lock",
    "Migration",
    "Salvage",
    "damaged",
    "migrate",
    "migrations",
    "moved",
    "opened",
    "problem_of",
    "salvage",
    "version",
]
