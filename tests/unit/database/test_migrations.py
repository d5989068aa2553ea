"""Every earlier version of every database is brought up to date with what it holds; a newer one is left alone.

`tests/fixtures/databases/<kind>-<version>.sql` is a database as that version wrote it.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from limner.database import Database, DatabaseNewer, migrations, opened, version
from limner.database.migrations import statements
from limner.queue import SqliteQueue, State
from limner.runs import EventLog, SqliteHistory

FIXTURES = Path(__file__).parents[2] / "fixtures" / "databases"
KINDS = sorted(item.name for item in files("limner.database").joinpath("sql").iterdir() if item.is_dir())
VERSIONS = [(kind, number) for kind in KINDS for number in range(1, len(migrations(kind)) + 1)]


def earlier(kind: str, number: int, folder: Path) -> Path:
    """A database as this version left it."""
    path = folder / f"{kind}.sqlite"
    with sqlite3.connect(path) as file:
        file.executescript((FIXTURES / f"{kind}-{number}.sql").read_text("utf-8"))
    file.close()
    return path


def tables(path: Path) -> list[tuple[str, str]]:
    """Every table, index and trigger, with its columns: what is there, however it came to be there."""
    with sqlite3.connect(path) as file:
        names = file.execute("SELECT type, name FROM sqlite_master ORDER BY name").fetchall()
        told = [(str(name), repr([row[1:] for row in file.execute(f"PRAGMA table_info({name})")])) for _, name in names]
    file.close()
    return told


def test_there_is_a_database_of_every_version() -> None:
    assert {f"{kind}-{number}.sql" for kind, number in VERSIONS} == {path.name for path in FIXTURES.glob("*.sql")}


@pytest.mark.parametrize(("kind", "number"), VERSIONS)
def test_an_earlier_version_becomes_this_one(kind: str, number: int, tmp_path: Path) -> None:
    path = earlier(kind, number, tmp_path)
    file = opened(path, kind)
    assert version(file) == len(migrations(kind))
    assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert file.execute("PRAGMA foreign_key_check").fetchall() == []
    assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()
    fresh = tmp_path / "fresh.sqlite"
    opened(fresh, kind).close()
    assert tables(path) == tables(fresh)


@pytest.mark.parametrize("number", range(1, len(migrations("server")) + 1))
def test_the_jobs_of_an_earlier_version_are_all_there(number: int, tmp_path: Path) -> None:
    database = Database(earlier("server", number, tmp_path), "server")
    queue = SqliteQueue(database)
    waiting = {job.id: job for job in queue.waiting()}
    assert set(waiting) | {job.id for job in queue.paused()} == {"plain", "lost", "front"}
    assert waiting["plain"].prompt == {"1": {"class_type": "A", "inputs": {"seed": 2**70}}}
    assert (waiting["plain"].client, waiting["plain"].added, waiting["plain"].targets) == ("me", 1700000000.5, ("1",))
    assert (waiting["lost"].owner, waiting["lost"].attempts, waiting["lost"].lost) == ("ann", 2, True)
    assert "lost" in {job.id for job in queue.marked()}
    if number > 1:
        assert waiting["plain"].priority == 3 and queue.state("front") is State.PAUSED
    database.close()


async def test_the_history_of_an_earlier_version_is_there(tmp_path: Path) -> None:
    database = Database(earlier("server", 4, tmp_path), "server")
    history, log = SqliteHistory(database), EventLog(database)
    found = history.get("ended", "ann")
    assert found is not None and found.status == "done"
    assert [message.run for message in log.read(0, 10, 10)] == ["ended"]
    database.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_newer_database_is_refused_and_left_as_it_is(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "newer.sqlite"
    file = opened(path, kind)
    file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(DatabaseNewer, match=r"newer version.*Install that version again"):
        opened(path, kind)
    with sqlite3.connect(path) as again:
        assert version(again) == 99
    again.close()


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = earlier("server", 1, tmp_path)
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE works (mine TEXT)")  # in the way of the third step
    file.close()
    with pytest.raises(Exception, match="already exists"):
        opened(path, "server")
    with sqlite3.connect(path) as file:
        assert version(file) == 2
        assert file.execute("SELECT count(*) FROM jobs").fetchone() == (3,)
    file.close()


def test_two_processes_may_open_it_at_once(tmp_path: Path) -> None:
    path = earlier("server", 1, tmp_path)
    script = f"from limner.database import opened; from pathlib import Path; opened(Path({str(path)!r}), 'server')"
    running = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[1] for process in running] == [b""] * 4
    assert {process.returncode for process in running} == {0}


def test_a_script_is_taken_apart_into_its_statements() -> None:
    script = """-- What; it is; for.
CREATE TABLE a (b TEXT); -- and why
CREATE TRIGGER c AFTER INSERT ON a
BEGIN
    DELETE FROM a;
    DELETE FROM a;
END;
INSERT INTO a VALUES (';')
;
"""
    found = list(statements(script))
    assert [found[0].startswith("CREATE TABLE"), found[1].count("DELETE"), len(found)] == [True, 2, 3]
