"""What two versions made of a workflow, compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from limner.app.upgrade.comparing import Verdict, compared
from limner.app.upgrade.drawing import Drawn


def picture(path: Path, value: int, *, size: tuple[int, int] = (8, 4), text: str = "") -> Path:
    about = PngImagePlugin.PngInfo()
    about.add_text("prompt", text)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, np.uint8)).save(path, pnginfo=about)
    return path


@pytest.mark.parametrize(
    ("value", "verdict", "said"),
    [
        (100, Verdict.SAME, ""),
        (102, Verdict.CLOSE, "by 2 of 255"),
        (103, Verdict.DIFFERENT, "100.0% of the pixels, by 3 of 255"),
    ],
)
def test_pixels(value: int, verdict: Verdict, said: str, tmp_path: Path) -> None:
    old = picture(tmp_path / "old" / "x.png", 100, text="one")
    new = picture(tmp_path / "new" / "x.png", value, text="another")
    found = compared("w", Drawn((old,)), Drawn((new,)))
    assert found.verdict is verdict and said in found.said
    assert found.pairs == (() if verdict is Verdict.SAME else ((str(old), str(new)),))


def test_the_worst_of_several_counts_and_all_that_differ_are_named(tmp_path: Path) -> None:
    values = [(100, 100), (100, 101), (100, 200), (100, 100)]
    old = [picture(tmp_path / "old" / f"{n}.png", one) for n, (one, _) in enumerate(values)]
    new = [picture(tmp_path / "new" / f"{n}.png", other) for n, (_, other) in enumerate(values)]
    found = compared("w", Drawn(tuple(old)), Drawn(tuple(new)))
    assert found.verdict is Verdict.DIFFERENT and "by 100" in found.said and len(found.pairs) == 2


def test_sizes_frames_and_counts(tmp_path: Path) -> None:
    one, other = picture(tmp_path / "a.png", 1), picture(tmp_path / "b.png", 1, size=(4, 4))
    assert compared("w", Drawn((one,)), Drawn((other,))).said == "8 x 4 pixels became 4 x 4 pixels"
    assert compared("w", Drawn((one,)), Drawn()).said == "it made 1 files and makes 0"
    moving = tmp_path / "c.gif"
    frames = [Image.new("L", (8, 4), shade) for shade in (0, 255)]
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    assert compared("w", Drawn((one,)), Drawn((moving,))).said == "1 frames became 2"


def test_other_files_and_texts(tmp_path: Path) -> None:
    for name, content in (("a.flac", b"1"), ("b.flac", b"1"), ("c.flac", b"2")):
        (tmp_path / name).write_bytes(content)
    one, same, other = (Drawn((tmp_path / f"{name}.flac",)) for name in "abc")
    assert compared("w", one, same).verdict is Verdict.SAME
    assert compared("w", one, other).verdict is Verdict.DIFFERENT
    assert compared("w", Drawn(texts=("3",)), Drawn(texts=("4",))).said == "it said '3' and says '4'"


def test_failures() -> None:
    fails, runs = Drawn(failure="node 3: no"), Drawn(texts=("3",))
    found = compared("w", runs, fails)
    assert (found.verdict, found.said) == (Verdict.FAILS, "node 3: no") and found.verdict.stands_in_the_way
    for new in (fails, runs):
        assert compared("w", fails, new).verdict is Verdict.FAILED_BEFORE
    assert "runs there" in compared("w", fails, runs).said
