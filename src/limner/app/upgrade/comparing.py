"""What two versions made of a workflow, compared.

Rules, stated once:

- Pictures are compared by their pixels, not by their files: those hold the workflow and the time, too.
- Pixels that differ by no more than `CLOSE` of 255 steps are rounding, which other kernels of a library bring.
- Other files (video, sound, models) are compared by their bytes, texts by themselves.
- Where the old version's own second run differs from its first, the workflow is unsteady, and tells nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .drawing import Drawn

CLOSE = 2
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tiff"})


class Verdict(Enum):
    """What is to be said of a workflow."""

    SAME = "same"
    CLOSE = "close"
    DIFFERENT = "different"
    UNSTEADY = "unsteady"
    FAILS = "fails"
    FAILED_BEFORE = "failed before"

    @property
    def stands_in_the_way(self) -> bool:
        return self in (Verdict.DIFFERENT, Verdict.FAILS)


@dataclass(frozen=True, slots=True)
class Finding:
    """A workflow, and what the new version does with it. `pairs` are files to look at: the old one's, the new one's."""

    workflow: str
    verdict: Verdict
    said: str = ""
    pairs: tuple[tuple[str, str], ...] = ()


def compared(workflow: str, old: Drawn, new: Drawn) -> Finding:
    """What became of a workflow on the new version."""
    if old.failure:
        now = "does not run there either" if new.failure else "runs there"
        return Finding(workflow, Verdict.FAILED_BEFORE, f"it {now}: {old.failure}")
    if new.failure:
        return Finding(workflow, Verdict.FAILS, new.failure)
    if len(old.files) != len(new.files):
        return Finding(workflow, Verdict.DIFFERENT, f"it made {len(old.files)} files and makes {len(new.files)}")
    if old.texts != new.texts:
        return Finding(workflow, Verdict.DIFFERENT, f"it said {_short(old.texts)} and says {_short(new.texts)}")
    worst, told, pairs = Verdict.SAME, "", []
    for before, after in zip(old.files, new.files, strict=True):
        verdict, said = _file(before, after)
        if verdict is not Verdict.SAME:
            pairs.append((str(before), str(after)))
        if verdict is Verdict.DIFFERENT or worst is Verdict.SAME:
            worst, told = verdict, said
    return Finding(workflow, worst, told, tuple(pairs))


def _file(old: Path, new: Path) -> tuple[Verdict, str]:
    if old.suffix.lower() in PICTURES and new.suffix.lower() in PICTURES:
        return _picture(old, new)
    if old.read_bytes() == new.read_bytes():
        return Verdict.SAME, ""
    return Verdict.DIFFERENT, f"{new.name} has other bytes"


def _picture(old: Path, new: Path) -> tuple[Verdict, str]:
    import numpy as np
    from PIL import Image, ImageSequence

    with Image.open(old) as before, Image.open(new) as after:
        if before.size != after.size:
            return Verdict.DIFFERENT, f"{_size(before.size)} became {_size(after.size)}"
        frames = [[np.asarray(each.convert("RGBA")) for each in ImageSequence.Iterator(one)] for one in (before, after)]
    if len(frames[0]) != len(frames[1]):
        return Verdict.DIFFERENT, f"{len(frames[0])} frames became {len(frames[1])}"
    far = [np.abs(one.astype(np.int16) - other.astype(np.int16)) for one, other in zip(*frames, strict=True)]
    most, share = max(int(each.max()) for each in far), float(np.mean([(each > CLOSE).any(-1).mean() for each in far]))
    if not most:
        return Verdict.SAME, ""
    if most <= CLOSE:
        return Verdict.CLOSE, f"by {most} of 255 at most"
    return Verdict.DIFFERENT, f"{share:.1%} of the pixels, by {most} of 255 at most"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"


def _short(texts: Sequence[str], most: int = 80) -> str:
    text = " ".join(texts)
    return repr(text if len(text) <= most else f"{text[:most]}...")
