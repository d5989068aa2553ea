"""Slabs of shared memory: written by one host, mapped by another, written again when nobody needs them."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch

from limner.plugins import crossing
from limner.plugins.shared import ROUND, SMALLEST, SharedPool, attach, make_folder


@pytest.fixture
def pool(tmp_path: Path) -> SharedPool:
    return SharedPool(tmp_path)


def slabs(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_written_is_mapped(pool: SharedPool, tmp_path: Path) -> None:
    name = pool.write([b"ab", memoryview(b"cde"), b""], 5)
    assert name is not None
    assert bytes(attach(tmp_path, name, 5)) == b"abcde"


def test_a_reader_changes_its_own_copy(pool: SharedPool, tmp_path: Path) -> None:
    name = pool.write([b"abc"], 3)
    assert name is not None
    one, two = attach(tmp_path, name, 3), attach(tmp_path, name, 3)
    one[0:1] = b"x"
    assert (bytes(one), bytes(two)) == (b"xbc", b"abc")


def test_a_slab_is_written_again_when_nobody_has_it(pool: SharedPool, tmp_path: Path) -> None:
    first = pool.write([b"a" * 9], 9)
    assert first is not None
    on_its_way = pool.write([b"b" * 9], 9)
    assert on_its_way not in (None, first)
    mapped = attach(tmp_path, first, 9)
    pool.ended([first])
    assert pool.write([b"c" * 9], 9) not in (first, None)
    assert bytes(mapped) == b"a" * 9
    del mapped
    gc.collect()
    assert pool.write([b"d" * 9], 9) == first


def test_a_small_value_does_not_take_a_large_slab(pool: SharedPool) -> None:
    large = pool.write([bytes(10 * ROUND)], 10 * ROUND)
    assert large is not None
    pool.ended([large])
    assert pool.write([b"a"], 1) != large
    assert pool.write([bytes(5 * ROUND)], 5 * ROUND) == large


def test_no_more_is_kept_than_allowed(tmp_path: Path) -> None:
    pool = SharedPool(tmp_path, kept=3 * ROUND)
    names = [name for name in (pool.write([bytes(2 * ROUND)], 2 * ROUND) for _ in range(3)) if name]
    pool.ended(names)
    pool.write([bytes(20 * ROUND)], 20 * ROUND)
    assert len(slabs(tmp_path) & set(names)) == 1
    pool.close()
    assert slabs(tmp_path) == set()


def test_without_room_there_is_no_slab(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pool = SharedPool(tmp_path / "missing")
    assert pool.write([b"abc"], 3) is None
    assert "over the socket" in caplog.text


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".."])
def test_only_slabs_of_the_folder_are_mapped(tmp_path: Path, name: str) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").write_bytes(b"secret")
    with pytest.raises((ValueError, OSError)):
        attach(tmp_path / "inside", name, 6)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"secret")
    (tmp_path / "slab").symlink_to(tmp_path / "file")
    with pytest.raises(OSError):
        attach(tmp_path, "slab", 6)


def test_a_picture_crosses_without_a_copy(pool: SharedPool, tmp_path: Path) -> None:
    picture = torch.rand(1, 128, 128, 3)
    parcel = crossing.pack([{"image": picture, "name": "a"}], pool)
    assert parcel.slab and parcel.data == b"" and parcel.size > SMALLEST
    (back,) = crossing.unpack(parcel, tmp_path)
    assert isinstance(back, dict)
    assert torch.equal(back["image"], picture)
    back["image"].zero_()
    (again,) = crossing.unpack(parcel, tmp_path)
    assert isinstance(again, dict) and torch.equal(again["image"], picture)


def test_a_slab_is_free_as_soon_as_its_tensors_are(pool: SharedPool, tmp_path: Path) -> None:
    """Not only when the garbage collector comes: hosts have it look rarely."""
    parcel = crossing.pack([torch.rand(1, 128, 128, 3)], pool)
    gc.disable()
    try:
        items = crossing.unpack(parcel, tmp_path)
        pool.ended([parcel.slab])
        assert pool.write([bytes(parcel.size)], parcel.size) != parcel.slab
        del items
        assert pool.write([bytes(parcel.size)], parcel.size) == parcel.slab
    finally:
        gc.enable()


def test_what_is_small_goes_along(pool: SharedPool, tmp_path: Path) -> None:
    parcel = crossing.pack(["text"], pool)
    assert parcel.slab == "" and slabs(tmp_path) == set()
    assert crossing.unpack(parcel) == ["text"]


def test_the_folder_is_this_users_alone() -> None:
    folder = make_folder()
    if folder is not None:
        try:
            assert folder.stat().st_mode & 0o777 == 0o700
        finally:
            folder.rmdir()
