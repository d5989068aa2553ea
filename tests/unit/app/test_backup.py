"""Backups: what is in them, that they are of one moment, and that restoring deletes nothing and trusts nothing."""

from __future__ import annotations

import asyncio
import io
import json
import os
import stat
import tarfile
from pathlib import Path

import pytest

from limner.accounts import Accounts
from limner.app.backup import restore_backup, write_backup
from limner.database import Database, DatabaseBusy, DatabaseDamaged, Lock
from limner.files import BadFile, CannotWrite
from limner.queue import NewJob, SqliteQueue
from limner.settings import Settings, resolve


def settings_of(base: Path) -> Settings:
    return resolve({"base_directory": str(base)}, {})


@pytest.fixture
async def filled(tmp_path: Path) -> Settings:
    """An installation with a job, a user, a workflow, a picture, and things that are made again."""
    settings = settings_of(tmp_path / "first")
    kept = settings.user_directory / "limner"
    database = Database(kept / "server-1.sqlite", "server")
    await SqliteQueue(database).add(NewJob("a", {"1": {}}, ("1",)))
    database.close()
    accounts = Accounts(kept / "accounts.sqlite")
    accounts.add("ann", None)
    accounts.close()
    files = {
        "limner.toml": "port = 9000\n",
        "user/default/workflows/sub/w.json": "{}",
        "user/limner/jobs-1/x/y.pack": "made again",
        "user/limner/cache/z.pack": "made again",
        "user/limner/server-1.lock": "",
        "user/default/.x.part": "half",
        "input/p.png": "in",
        "output/s/q.png": "out",
        "models/checkpoints/m.safetensors": "large",
    }
    for name, content in files.items():
        path = settings.base_directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (settings.user_directory / "link").symlink_to("/etc/passwd")
    return settings


def names(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        return {header.name for header in archive if header.isfile()}


def jobs(settings: Settings) -> list[str]:
    database = Database(settings.user_directory / "limner" / "server-1.sqlite", "server")
    found = [job.id for job in SqliteQueue(database).waiting()]
    database.close()
    return found


KEPT = {
    "limner-backup.json",
    "base/limner.toml",
    "user/default/workflows/sub/w.json",
    "user/limner/server-1.sqlite",
    "user/limner/accounts.sqlite",
}


def test_a_backup_holds_what_cannot_be_had_again(filled: Settings, tmp_path: Path) -> None:
    made = write_backup(filled, tmp_path / "b.tar.gz")
    assert names(made.path) == KEPT and made.files == len(KEPT) - 1
    assert names(write_backup(filled, tmp_path / "m.tar.gz", media=True).path) == KEPT | {
        "input/p.png",
        "output/s/q.png",
    }
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".*.part"))


def test_it_is_restored_elsewhere(filled: Settings, tmp_path: Path) -> None:
    other = settings_of(tmp_path / "second")
    done = restore_backup(other, write_backup(filled, tmp_path / "b.tar.gz", media=True).path)
    assert (done.files, done.aside) == (6, ())
    assert jobs(other) == ["a"]
    accounts = Accounts(other.user_directory / "limner" / "accounts.sqlite")
    assert [user.name for user in accounts.users()] == ["ann"]
    accounts.close()
    assert stat.S_IMODE((other.user_directory / "limner" / "accounts.sqlite").stat().st_mode) == 0o600
    assert (other.base_directory / "limner.toml").read_text() == "port = 9000\n"
    assert (other.output_directory / "s" / "q.png").read_text() == "out"


async def test_what_is_there_is_put_aside(filled: Settings, tmp_path: Path) -> None:
    backup = write_backup(filled, tmp_path / "b.tar.gz", media=True).path
    (filled.output_directory / "s" / "q.png").write_text("later")
    (filled.user_directory / "default" / "later.json").write_text("{}")
    done = restore_backup(filled, backup)
    assert jobs(filled) == ["a"]
    assert not (filled.user_directory / "default" / "later.json").exists()
    aside = next(path for path in done.aside if path.name.startswith("user"))
    assert (aside / "default" / "later.json").exists() and len(done.aside) == 2
    assert (filled.output_directory / "s" / "q.png").read_text() == "later", "files are not replaced"


async def test_a_running_server_is_copied_as_it_is_at_one_moment(filled: Settings, tmp_path: Path) -> None:
    lock = Lock(filled.user_directory / "limner" / "server-1.lock")
    database = Database(filled.user_directory / "limner" / "server-1.sqlite", "server")
    queue, going = SqliteQueue(database), True

    async def add() -> None:
        number = 0
        while going:
            await queue.add(NewJob(f"n{number}", {"1": {"x": "y" * 5000}}, ("1",)))
            number += 1

    adding = asyncio.create_task(add())
    await asyncio.sleep(0.1)
    backups = [await asyncio.to_thread(write_backup, filled, tmp_path / f"{n}.tar.gz") for n in range(3)]
    with pytest.raises(DatabaseBusy, match="another server"):
        restore_backup(filled, backups[0].path)
    going = False
    await adding
    database.close()
    lock.close()
    counts = []
    for backup in backups:
        other = settings_of(tmp_path / f"restored {backup.path.name}")
        restore_backup(other, backup.path)
        found = jobs(other)
        assert found == ["a", *(f"n{number}" for number in range(len(found) - 1))]
        counts.append(len(found))
    assert counts == sorted(counts)


def test_a_file_that_is_there_is_not_replaced(filled: Settings, tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_text("mine")
    with pytest.raises(CannotWrite, match="another name"):
        write_backup(filled, tmp_path / "b.tar.gz")
    with pytest.raises(CannotWrite, match="Choose another place"):
        write_backup(filled, tmp_path / "nowhere" / "b.tar.gz")


def test_a_damaged_database_is_named(filled: Settings, tmp_path: Path) -> None:
    (filled.user_directory / "limner" / "library.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseDamaged, match=r"library\.sqlite cannot be copied"):
        write_backup(filled, tmp_path / "b.tar.gz")
    assert not list(tmp_path.glob("*b.tar.gz*"))


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], manifest: object = None) -> Path:
    with tarfile.open(path, "w:gz") as made:
        first = json.dumps({"format": 1} if manifest is None else manifest).encode()
        for header, content in ((tarfile.TarInfo("limner-backup.json"), first), *members):
            header.size = len(content)
            made.addfile(header, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["../out", "user/../../out", "/etc/out", "user/a\x01b", "user/" + "x" * 300])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    source = archive(tmp_path / "b.tar.gz", (tarfile.TarInfo(name), b"x"))
    with pytest.raises(BadFile):
        restore_backup(settings_of(tmp_path / "base"), source)
    assert not list(tmp_path.rglob("out")) and not (tmp_path / "base" / "user").exists()


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    link, device = tarfile.TarInfo("user/link"), tarfile.TarInfo("user/device")
    link.type, link.linkname, device.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.CHRTYPE
    source = archive(tmp_path / "b.tar.gz", (link, b""), (device, b""), (tarfile.TarInfo("user/file"), b"x"))
    settings = settings_of(tmp_path / "base")
    assert restore_backup(settings, source).files == 1
    assert [path.name for path in settings.user_directory.rglob("*")] == ["file"]


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "base")
    (tmp_path / "text").write_text("no archive")
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz"):
        pass
    whole = archive(tmp_path / "whole.tar.gz", (tarfile.TarInfo("user/file"), os.urandom(100_000))).read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
    newer = archive(tmp_path / "newer.tar.gz", manifest={"format": 2, "version": "9"})
    for source in (tmp_path / "nothing", tmp_path / "text", tmp_path / "other.tar.gz", tmp_path / "half.tar.gz", newer):
        with pytest.raises(BadFile):
            restore_backup(settings, source)
    assert not settings.user_directory.exists()
