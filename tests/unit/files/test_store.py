"""Models that are fetched from a store when they are asked for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from limner.files import Folders, MissingFile, ModelStore
from limner.files import store as module


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "checkpoints" / "sub").mkdir(parents=True)
    (folder / "checkpoints" / "big.safetensors").write_bytes(b"b" * 100_000)
    (folder / "checkpoints" / "sub" / "small.safetensors").write_bytes(b"s")
    (folder / "checkpoints" / ".hidden.safetensors").write_bytes(b"h")
    (folder / "loras").mkdir()
    (folder / "loras" / "notes.txt").write_text("no model")
    return folder


def folders(tmp_path: Path, shop: Path, *, fetches: bool = True) -> Folders:
    from dataclasses import replace

    made = Folders.under(tmp_path / "base", built_in=False)
    made.prepare()
    (tmp_path / "base" / "models" / "checkpoints" / "here.safetensors").write_bytes(b"here")
    return replace(made, store=ModelStore(f"file://{shop}"), fetches=fetches)


def test_what_the_store_has_is_listed_beside_what_is_here(tmp_path: Path, shop: Path) -> None:
    found = folders(tmp_path, shop)
    assert found.model_files("checkpoints") == ["big.safetensors", "here.safetensors", "sub/small.safetensors"]
    assert found.model_files("loras") == []
    assert found.model_size("checkpoints", "big.safetensors") == 100_000
    assert found.model_size("checkpoints", "here.safetensors") == 4
    assert found.model_size("checkpoints", "neither.safetensors") == 0


def test_a_model_is_fetched_once_and_kept(tmp_path: Path, shop: Path) -> None:
    found = folders(tmp_path, shop)
    path = found.resolve("checkpoints", "sub/small.safetensors")
    assert path == tmp_path / "base" / "models" / "checkpoints" / "sub" / "small.safetensors"
    assert path.read_bytes() == b"s"
    (shop / "checkpoints" / "sub" / "small.safetensors").unlink()
    assert found.resolve("checkpoints", "sub/small.safetensors") == path
    assert [name.name for name in path.parent.iterdir()] == ["small.safetensors"]


def test_many_threads_fetch_it_once(tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, fetched = folders(tmp_path, shop), []
    real = ModelStore._pieces

    def counted(self: ModelStore, source: str, name: str) -> Any:
        fetched.append(name)
        return real(self, source, name)

    monkeypatch.setattr(ModelStore, "_pieces", counted)
    threads = [threading.Thread(target=found.resolve, args=("checkpoints", "big.safetensors")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched == ["big.safetensors"]


def test_who_does_not_fetch_says_that_it_is_missing(tmp_path: Path, shop: Path) -> None:
    with pytest.raises(MissingFile):
        folders(tmp_path, shop, fetches=False).resolve("checkpoints", "big.safetensors")


def test_a_file_that_comes_short_is_not_kept(tmp_path: Path, shop: Path) -> None:
    found = folders(tmp_path, shop)
    assert found.model_size("checkpoints", "big.safetensors")
    (shop / "checkpoints" / "big.safetensors").write_bytes(b"b" * 10)
    with pytest.raises(MissingFile, match="10 of 100000 bytes"):
        found.resolve("checkpoints", "big.safetensors")
    assert sorted(path.name for path in (tmp_path / "base" / "models" / "checkpoints").iterdir()) == [
        "here.safetensors"
    ]


def test_a_store_that_is_gone_is_told(tmp_path: Path, shop: Path) -> None:
    found = folders(tmp_path, shop)
    assert found.model_files("checkpoints")
    (shop / "checkpoints" / "big.safetensors").unlink()
    with pytest.raises(MissingFile, match="does not come from file://"):
        found.resolve("checkpoints", "big.safetensors")


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="cannot be opened"):
        ModelStore("nonsense://somewhere").open()


def test_what_comes_later_is_listed_later(tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = folders(tmp_path, shop)
    assert "late.safetensors" not in found.model_files("checkpoints")
    (shop / "checkpoints" / "late.safetensors").write_bytes(b"l")
    monkeypatch.setattr(module, "REFRESH", 0.0)
    for _ in range(200):
        if "late.safetensors" in found.model_files("checkpoints"):
            break
        threading.Event().wait(0.02)
    else:
        pytest.fail("it is never listed")
