"""Writing in one line, together where it can be; reading beside it; what is said when the disk refuses."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import limner.database.files
import limner.database.writer
from limner.database import (
    Database,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseFull,
    DatabaseProblem,
    DatabaseReadOnly,
    Lock,
    moved,
    problem_of,
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "server.sqlite", "server")
    yield opened
    opened.close()


def state(name: str) -> str:
    return f"INSERT INTO runs (id, owner, status, finished, entry) VALUES ('{name}', '', 'done', 0, x'00')"


def ids(database: Database) -> list[str]:
    return [row[0] for row in database.rows("SELECT id FROM runs ORDER BY position")]


async def test_what_was_written_is_read_and_the_result_comes_back(database: Database) -> None:
    assert await database.write(lambda file: file.execute(state("a")).rowcount, safe=True) == 1
    database.write_soon(lambda file: file.execute(state("b")))
    await database.write(lambda file: None)
    assert ids(database) == ["a", "b"]


async def test_what_comes_at_once_is_one_transaction(database: Database) -> None:
    begun: list[str] = []
    started, go = threading.Event(), threading.Event()

    def hold(file: sqlite3.Connection) -> None:
        file.set_trace_callback(lambda statement: begun.append(statement) if "BEGIN" in statement else None)
        started.set()
        go.wait(10)

    first = asyncio.ensure_future(database.write(hold))
    await asyncio.to_thread(started.wait, 10)
    others = [asyncio.ensure_future(database.write(lambda f, n=n: f.execute(state(str(n))))) for n in range(100)]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, *others)
    assert ids(database) == [str(number) for number in range(100)]
    assert begun == ["BEGIN IMMEDIATE"]


async def test_what_nobody_waits_for_goes_with_what_somebody_does(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limner.database.writer, "LINGER", 3600)
    begun: list[str] = []
    await database.write(lambda file: file.set_trace_callback(begun.append))
    for name in "abc":
        database.write_soon(lambda file, name=name: file.execute(state(name)))
    async with asyncio.timeout(60):
        await database.write(lambda file: file.execute(state("d")))
    assert ids(database) == ["a", "b", "c", "d"]
    assert begun.count("BEGIN IMMEDIATE") == 1
    database.write_soon(lambda file: file.execute(state("e")))
    await asyncio.to_thread(database.close)
    with closing(sqlite3.connect(database.path)) as file:
        assert file.execute("SELECT count(*) FROM runs").fetchone() == (5,)


async def test_what_nobody_waits_for_is_written_alone_in_the_end(database: Database) -> None:
    database.write_soon(lambda file: file.execute(state("a")))
    async with asyncio.timeout(60):
        while not ids(database):
            await asyncio.sleep(0.005)


async def test_a_piece_that_fails_takes_no_other_with_it(database: Database) -> None:
    def broken(file: sqlite3.Connection) -> None:
        file.execute(state("never"))
        raise LookupError("mine")

    works = [lambda f: f.execute(state("a")), broken, lambda f: f.execute(state("a")), lambda f: f.execute(state("b"))]
    results = await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["Cursor", "LookupError", "IntegrityError", "Cursor"]
    assert ids(database) == ["a", "b"]


async def test_a_write_that_nobody_waits_for_any_more_does_no_harm(database: Database) -> None:
    waiting = [asyncio.ensure_future(database.write(lambda f, n=n: f.execute(state(str(n))))) for n in range(20)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await database.write(lambda file: file.execute(state("last")))
    assert ids(database)[-1] == "last"
    assert {str(number) for number in range(1, 20, 2)} <= set(ids(database))


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    opened = Database(tmp_path / "x.sqlite", "server")
    for number in range(50):
        opened.write_soon(lambda file, n=number: file.execute(state(str(n))))
    opened.close()
    with closing(sqlite3.connect(tmp_path / "x.sqlite")) as file:
        assert file.execute("SELECT count(*) FROM runs").fetchone() == (50,)


async def test_a_locked_database_holds_nobody_up_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limner.database.files, "BUSY_SECONDS", 0.3)
    opened = Database(tmp_path / "x.sqlite", "server")
    await opened.write(lambda file: file.execute(state("a")))
    with closing(sqlite3.connect(tmp_path / "x.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        writing = [asyncio.ensure_future(opened.write(lambda f, n=n: f.execute(state(str(n))))) for n in range(20)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in writing), "the loop waits for no lock"
        await asyncio.wait(writing)
        assert ids(opened) == ["a"], "reading goes on"
        for task in writing:
            with pytest.raises(DatabaseBusy, match="Another program keeps it locked"):
                task.result()
        other.execute("ROLLBACK")
    await opened.write(lambda file: file.execute(state("b")))
    assert ids(opened) == ["a", "b"]
    opened.close()


async def test_a_full_disk_is_named_and_over_when_there_is_room(database: Database) -> None:
    await database.write(lambda file: file.execute(state("a")))
    size = (database.path.parent / "server.sqlite-wal").stat().st_size
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, old[1]))
    try:
        results = await asyncio.gather(
            *(database.write(lambda f, n=n: f.execute(state(str(n)))) for n in range(5)), return_exceptions=True
        )
        assert all(isinstance(result, DatabaseProblem) for result in results)
        assert ids(database) == ["a"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    await database.write(lambda file: file.execute(state("b")))
    assert ids(database) == ["a", "b"]


async def test_a_database_without_room_for_another_page_says_full(database: Database) -> None:
    await database.write(lambda file: file.execute("PRAGMA max_page_count = 1"))  # the least that it has already
    with pytest.raises(DatabaseFull, match="Free some space"):
        await database.write(lambda file: [file.execute(state(str(number) * 500)) for number in range(100)])
    assert ids(database) == []


async def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    opened = Database(tmp_path / "x.sqlite", "server")
    for number in range(300):
        opened.write_soon(lambda file, n=number: file.execute(state(f"{n:0200}")))
    opened.close()
    data = bytearray((tmp_path / "x.sqlite").read_bytes())
    for page in range(8, len(data) // 4096):
        data[page * 4096 : page * 4096 + 4096] = b"\xaa" * 4096
    (tmp_path / "x.sqlite").write_bytes(data)
    again = Database(tmp_path / "x.sqlite", "server")
    with pytest.raises(DatabaseDamaged, match="limner restore"):
        again.rows("SELECT * FROM runs")
    with pytest.raises(DatabaseDamaged):
        await again.write(lambda file: file.execute("UPDATE runs SET status = 'x'"))
    again.close()


def test_it_is_its_owners_alone(database: Database, tmp_path: Path) -> None:
    for path in tmp_path.glob("server.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseReadOnly, match="cannot be opened"):
        Database(tmp_path / "file" / "x.sqlite", "server")


SAID = [
    (13, DatabaseFull),
    (8, DatabaseReadOnly),
    (1032, DatabaseReadOnly),
    (5, DatabaseBusy),
    (261, DatabaseBusy),
    (11, DatabaseDamaged),
    (267, DatabaseDamaged),
    (26, DatabaseDamaged),
    (10, DatabaseProblem),
]


@pytest.mark.parametrize(("code", "kind"), SAID)
def test_what_sqlite_says_is_told_apart(code: int, kind: type[DatabaseProblem]) -> None:
    error = sqlite3.OperationalError("so")
    error.sqlite_errorcode = code
    assert type(problem_of(error, Path("x"), "written")) is kind


@pytest.mark.parametrize(("number", "kind"), [(errno.EROFS, DatabaseReadOnly), (errno.ENOSPC, DatabaseFull)])
def test_why_a_write_failed_is_asked_of_the_disk(
    number: int, kind: type[DatabaseProblem], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says of a disk that has become read-only that there was an error, and no more."""

    def refused(**_: object) -> None:
        raise OSError(number, os.strerror(number))

    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    assert type(problem_of(error, tmp_path / "x", "written")) is DatabaseProblem
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    problem = problem_of(error, tmp_path / "x", "written")
    assert type(problem) is kind
    assert os.strerror(number) in str(problem)


def test_a_renamed_database_keeps_what_a_killed_process_left(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        opened = Database(tmp_path / "old.sqlite", "server")
        opened._writer.submit(lambda file: file.execute(state("a"))).result()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / "old.sqlite-wal").stat().st_size > 0
    moved(tmp_path / "old.sqlite", tmp_path / "new.sqlite")
    again = Database(tmp_path / "new.sqlite", "server")
    assert ids(again) == ["a"]
    again.close()


def test_one_server_at_a_time_has_it(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "deep" / "x.lock")
    with pytest.raises(DatabaseBusy, match="another server"):
        Lock(tmp_path / "deep" / "x.lock")
    lock.close()
    Lock(tmp_path / "deep" / "x.lock").close()
