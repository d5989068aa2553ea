"""torchvision and torchaudio beside a torch that their compiled parts were not built for.

The registry's builds of both are for CUDA, so beside the CPU build of torch neither can be imported, although packs use
what is written in Python of them: transforms, functionals. Then that part is made importable and it is said in the
log. Of torchvision's compiled operators `nms` is given, since detectors need it; `roi_align` has a form in Python
there; any other raises an AttributeError with its name when it is called. Where the compiled part loads, nothing is
changed.
"""

from __future__ import annotations

import functools
import importlib
import logging
from types import ModuleType
from typing import Any

from .packs_mending import mend

log = logging.getLogger(__name__)

_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
DECLARED = (f"nms{_BOXES}", f"qnms{_BOXES}")
"""The operators that torchvision itself registers something for as it is imported."""
FULL = "its compiled part does not fit this torch; what is written in Python of it works"


def mend_compiled_parts() -> None:
    """From now on both can be imported, whatever their compiled parts were built for."""
    mend("torchvision._meta_registrations", _declare, before=True)
    mend("torchvision.ops.boxes", _allow_nms)
    mend("torchaudio._extension.utils", _forgive)


def _declare(module: ModuleType) -> None:
    """Declare the operators, ahead of the module that registers shapes for them."""
    if importlib.import_module("torchvision.extension")._has_ops():
        return
    log.warning("torchvision: %s, and torchvision.ops.nms", FULL)
    library: Any = importlib.import_module("torch.library").Library("torchvision", "FRAGMENT")
    for schema in DECLARED:
        library.define(schema)
    library.impl("nms", _nms, "CompositeExplicitAutograd")
    module.limner_library = library  # type: ignore[attr-defined]  # the operators live as long as it does


def _allow_nms(module: ModuleType) -> None:
    """The module's only compiled operator is there, so its question for the compiled part is answered with yes."""
    if not importlib.import_module("torchvision.extension")._has_ops():
        module._assert_has_ops = _nothing  # type: ignore[attr-defined]


def _nothing() -> None:
    return None


def _nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Greedy non-maximum suppression.

    dets are boxes (n, 4) as x1, y1, x2, y2, scores (n,). Gives the numbers of the boxes that are kept, int64, by
    falling score: each box whose intersection over union with every kept one of higher score is at most iou_threshold.
    """
    import torch

    boxes = dets.float()
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    waiting = scores.argsort(descending=True, stable=True)
    kept = []
    while waiting.numel():
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[waiting, :2])
        high = torch.minimum(boxes[best, 2:], boxes[waiting, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        waiting = waiting[shared <= iou_threshold * (areas[best] + areas[waiting] - shared)]
    return torch.stack(kept) if kept else torch.empty(0, dtype=torch.int64, device=dets.device)


def _forgive(module: ModuleType) -> None:
    """A library of torchaudio that cannot be loaded counts as one that is not there."""
    load = module._load_lib

    @functools.wraps(load)
    def load_if_it_fits(name: str) -> bool:
        try:
            return bool(load(name))
        except OSError:
            log.warning("torchaudio: %s", FULL)
            return False

    module._load_lib = load_if_it_fits  # type: ignore[attr-defined]
