from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from limner.files import CannotWrite, UnsafeName, fill_tokens, save_path

NOW = datetime(2024, 3, 7, 5, 9, 1)


@pytest.mark.parametrize(
    ("prefix", "filled"),
    [
        ("plain", "plain"),
        ("%width%x%height%", "640x480"),
        ("%year%-%month%-%day%/%hour%%minute%%second%", "2024-03-07/050901"),
        ("%date:yyyy-MM-dd hh.mm.ss%", "2024-03-07 05.09.01"),
        ("%date:yy.M.d h-m-s%", "24.3.7 5-9-1"),
        ("%date%", "2024-03-07"),
        ("100%", "100%"),
        ("%KSampler.seed%_%batch_num%", "%KSampler.seed%_%batch_num%"),
    ],
)
def test_tokens(prefix: str, filled: str) -> None:
    assert fill_tokens(prefix, 640, 480, NOW) == filled


@pytest.mark.parametrize(
    ("files", "counter"),
    [
        ([], 1),
        (["x_00001_.png", "x_00009_.png"], 10),
        (["x_00100_b.webp", "x_7_.mp4"], 101),
        (["xy_00005_.png", "x_y_00006_.png", "x00007_.png", "x_00008.png"], 1),
        (["x_100000_.png"], 100001),
    ],
)
def test_the_counter_goes_on(tmp_path: Path, files: list[str], counter: int) -> None:
    for name in files:
        (tmp_path / name).touch()

    assert save_path("x", tmp_path).counter == counter


def test_a_subfolder_is_made(tmp_path: Path) -> None:
    place = save_path("a/b/name", tmp_path)

    assert place.folder == tmp_path / "a/b"
    assert place.folder.is_dir()
    assert (place.subfolder, place.name, place.file(2, ".png")) == ("a/b", "name", "name_00003_.png")


def test_the_folder_is_the_roots_own(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    root = tmp_path / "output"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside")

    for prefix in ("../outside/x", "/x", "a/../../x", "link/x", "..", "a/..", "a/../b", "a\0b"):
        with pytest.raises(UnsafeName):
            save_path(prefix, root)
    assert list((tmp_path / "outside").iterdir()) == []
    assert save_path("", root).name == "ComfyUI"


def test_line_breaks_become_underscores(tmp_path: Path) -> None:
    assert save_path("two\nlines\t", tmp_path).name == "two_lines_"


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()

    with pytest.raises(CannotWrite, match="taken"):
        save_path("taken/x", tmp_path)
