from __future__ import annotations

import pytest
import torch
from PIL import Image

from limner.files import Folders
from limner.media.metadata import read_embedded
from limner.nodes.image.animation import save_png, save_webp
from limner.sdk.testing import RecordingContext, run_node


@pytest.mark.parametrize(("node", "suffix"), [(save_png, ".png"), (save_webp, ".webp")])
def test_a_batch_becomes_one_moving_picture(
    folders: Folders, context: RecordingContext, node: object, suffix: str
) -> None:
    images = torch.rand(3, 8, 10, 3, generator=torch.Generator().manual_seed(0))
    ui = run_node(node, context, images=images, fps=20.0, method="default").ui  # type: ignore[arg-type]

    assert ui == {
        "images": [{"filename": f"ComfyUI_00001_{suffix}", "subfolder": "", "type": "output"}],
        "animated": [True],
    }
    path = folders.output / f"ComfyUI_00001_{suffix}"
    with Image.open(path) as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined]
        picture.load()
        assert picture.info["duration"] == 50
        assert picture.size == (10, 8)
    assert read_embedded(path).prompt == {"1": {"class_type": "SaveImage"}}


def test_one_picture_does_not_move(context: RecordingContext) -> None:
    ui = run_node(save_webp, context, images=torch.rand(1, 4, 4, 3), method="fastest").ui

    assert ui is not None
    assert ui["animated"] == [False]
