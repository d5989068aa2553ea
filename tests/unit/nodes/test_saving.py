from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

from limner.files import Folders, UnsafeName
from limner.media.metadata import read_embedded
from limner.nodes.errors import UnusableInput
from limner.nodes.image.saving import preview_image, preview_mask, save_image
from limner.nodes.options import NodeOptions
from limner.sdk.testing import RecordingContext, run_node


def names(ui: object) -> list[str]:
    assert isinstance(ui, dict)
    return [shown["filename"] for shown in ui["images"]]


def test_counters_go_on_where_the_folder_ends(folders: Folders, context: RecordingContext) -> None:
    images = torch.rand(2, 4, 4, 3)

    assert names(run_node(save_image, context, images=images).ui) == ["ComfyUI_00001_.png", "ComfyUI_00002_.png"]
    assert names(run_node(save_image, context, images=images).ui) == ["ComfyUI_00003_.png", "ComfyUI_00004_.png"]
    (folders.output / "ComfyUI_00077_.png").touch()
    assert names(run_node(save_image, context, images=images[:1]).ui) == ["ComfyUI_00078_.png"]


def test_what_the_editor_is_told(context: RecordingContext) -> None:
    result = run_node(save_image, context, images=torch.rand(1, 4, 6, 3), filename_prefix="sub/x%width%x%height%")

    assert result.values == ()
    assert result.ui == {"images": [{"filename": "x6x4_00001_.png", "subfolder": "sub", "type": "output"}]}


def test_batch_number_stands_where_its_token_stood(context: RecordingContext) -> None:
    result = run_node(save_image, context, images=torch.rand(2, 4, 4, 3), filename_prefix="a%batch_num%b")
    again = run_node(save_image, context, images=torch.rand(1, 4, 4, 3), filename_prefix="a%batch_num%b")

    assert names(result.ui) == ["a0b_00001_.png", "a1b_00002_.png"]
    assert names(again.ui) == ["a0b_00003_.png"]


def test_pixels_are_cut_off_and_the_workflow_is_inside(folders: Folders, context: RecordingContext) -> None:
    images = torch.tensor([-0.5, 0.0, 0.5, 1.0, 1.5, 0.999]).view(1, 1, 2, 3)
    run_node(save_image, context, images=images)

    path = folders.output / "ComfyUI_00001_.png"
    with Image.open(path) as picture:
        assert picture.tobytes() == bytes([0, 0, 127, 255, 255, 254])
    embedded = read_embedded(path)
    assert embedded.prompt == {"1": {"class_type": "SaveImage"}}
    assert embedded.workflow == {}


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_any_number_of_channels(folders: Folders, context: RecordingContext, channels: int, mode: str) -> None:
    run_node(save_image, context, images=torch.rand(1, 3, 3, channels))

    with Image.open(folders.output / "ComfyUI_00001_.png") as picture:
        assert picture.mode == mode


def test_metadata_can_be_left_out(folders: Folders) -> None:
    context = RecordingContext(services=(folders, NodeOptions(metadata=False)), hidden={"prompt": {"1": {}}})
    run_node(save_image, context, images=torch.rand(1, 3, 3, 3))

    assert read_embedded(folders.output / "ComfyUI_00001_.png").prompt is None


def test_text_of_any_language_survives(folders: Folders) -> None:
    prompt = {"1": {"inputs": {"text": "ein schöner 🍎"}}}
    context = RecordingContext(services=(folders,), hidden={"prompt": prompt, "extra_pnginfo": {"workflow": [1]}})
    run_node(save_image, context, images=torch.rand(1, 3, 3, 3))

    with Image.open(folders.output / "ComfyUI_00001_.png") as picture:
        assert json.loads(picture.text["prompt"]) == prompt


def test_previews_go_to_the_temporary_folder(folders: Folders, context: RecordingContext) -> None:
    image = run_node(preview_image, context, images=torch.rand(1, 4, 4, 3)).ui
    mask = run_node(preview_mask, context, mask=torch.rand(4, 4)).ui

    for ui in (image, mask):
        (name,) = names(ui)
        assert name.startswith("ComfyUI_temp_")
        assert (folders.temp / name).is_file()
    assert not list(folders.output.glob("*.png"))


@pytest.mark.parametrize("prefix", ["../x", "/tmp/x", "a/../../x", "a\0b", "..", "a/.."])
def test_prefixes_that_lead_out_are_refused(context: RecordingContext, prefix: str) -> None:
    with pytest.raises(UnsafeName):
        run_node(save_image, context, images=torch.rand(1, 4, 4, 3), filename_prefix=prefix)


def test_an_empty_batch_is_refused(context: RecordingContext) -> None:
    with pytest.raises(UnusableInput, match="images"):
        run_node(save_image, context, images=torch.rand(0, 4, 4, 3))
