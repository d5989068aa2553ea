"""Which packs changed files belong to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from limner.app.pack_watch import PackFolders, changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "custom_nodes"
    (folder / "pack" / "web").mkdir(parents=True)
    (folder / "pack" / "__init__.py").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "__init__.py").touch()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    return folder


@pytest.mark.parametrize(
    ("changed", "pack"),
    [
        ("pack/__init__.py", "pack"),
        ("pack/deep/er/nodes.py", "pack"),
        ("pack/limner.toml", "pack"),
        ("pack", "pack"),
        ("pack.disabled", "pack"),
        ("single.py", "single.py"),
        ("single.py.disabled", "single.py"),
        ("../elsewhere/nodes.py", "linked"),
        ("pack/web/a.js", None),
        ("pack/model.bin", None),
        ("pack/__pycache__/x.py", None),
        ("pack/.git/x.py", None),
        (".limner.toml", None),
        (".limner-1.disabled/x.py", None),
        ("../another/x.py", None),
        (".", None),
    ],
)
def test_of_which_pack_a_file_is(changed: str, pack: str | None, folder: Path) -> None:
    path = Path(f"{folder}/{changed}") if not changed.startswith("..") else folder.parent / changed[3:]
    found = PackFolders([folder, folder / "missing"]).pack_of(path if changed != "." else folder)
    assert found == (folder / pack if pack else None)


async def test_changes_are_told_pack_by_pack(folder: Path) -> None:
    told = changes(PackFolders([folder]))

    async def write() -> None:
        await asyncio.sleep(0.5)  # the watching has begun by then, or the next write is seen
        for turn in range(100):
            (folder / "pack" / "nodes.py").write_text(str(turn))
            (folder.parent / "elsewhere" / "nodes.py").write_text(str(turn))
            (folder / "pack" / "notes.txt").write_text(str(turn))
            await asyncio.sleep(0.5)

    writing = asyncio.create_task(write())
    found: set[Path] = set()
    try:
        async with asyncio.timeout(30):
            async for packs in told:
                found |= set(packs)
                if len(found) == 2:
                    break
    finally:
        writing.cancel()
        await told.aclose()
    assert found == {folder / "pack", folder / "linked"}
