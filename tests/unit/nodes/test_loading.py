from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limner.files import BadFile, Folders, MissingFile, UnsafeName
from limner.nodes.image.loading import load_image, load_image_mask, load_image_output
from limner.sdk.testing import RecordingContext, run_node


def rgba() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)


def test_alpha_becomes_the_mask(folders: Folders, context: RecordingContext) -> None:
    pixels = rgba()
    Image.fromarray(pixels).save(folders.input / "a.png")

    image, mask = run_node(load_image, context, image="a.png").values

    assert torch.equal(image, torch.from_numpy(pixels[None, ..., :3].astype(np.float32) / 255))
    assert torch.equal(mask, 1 - torch.from_numpy(pixels[None, ..., 3].astype(np.float32) / 255))


def test_annotated_name_is_looked_for_in_its_folder(folders: Folders, context: RecordingContext) -> None:
    (folders.output / "sub").mkdir()
    Image.new("RGB", (4, 3), "red").save(folders.output / "sub" / "b.png")

    image, _ = run_node(load_image, context, image="sub/b.png [output]").values

    assert image.shape == (1, 3, 4, 3)


def test_pictures_of_the_output_folder(folders: Folders, context: RecordingContext) -> None:
    Image.new("RGB", (4, 3), "red").save(folders.output / "b.png")

    image, mask = run_node(load_image_output, context, image="b.png [output]").values

    assert isinstance(image, torch.Tensor)
    assert isinstance(mask, torch.Tensor)
    assert image.shape == (1, 3, 4, 3)
    assert mask.shape == (1, 64, 64)


@pytest.mark.parametrize(("channel", "index"), [("red", 0), ("green", 1), ("blue", 2)])
def test_mask_of_a_colour(folders: Folders, context: RecordingContext, channel: str, index: int) -> None:
    pixels = rgba()
    Image.fromarray(pixels).save(folders.input / "a.png")

    (mask,) = run_node(load_image_mask, context, image="a.png", channel=channel).values

    assert torch.equal(mask[0], torch.from_numpy(pixels[..., index].astype(np.float32) / 255))


def test_mask_of_alpha_is_inverted_and_opaque_pictures_have_none(folders: Folders, context: RecordingContext) -> None:
    Image.new("RGB", (6, 4)).save(folders.input / "opaque.png")

    (mask,) = run_node(load_image_mask, context, image="opaque.png", channel="alpha").values

    assert mask.shape == (1, 4, 6)
    assert not mask.any()


def test_change_token_follows_the_content(folders: Folders, context: RecordingContext) -> None:
    path = folders.input / "a.png"
    Image.new("RGB", (4, 4), "red").save(path)
    first = load_image.change_token({"image": "a.png"}, context)
    Image.new("RGB", (4, 4), "blue").save(path)

    assert load_image.change_token({"image": "a.png"}, context) != first
    assert load_image.change_token({"image": "gone.png"}, context) == ""


def test_validation_names_the_file(context: RecordingContext) -> None:
    complaint = load_image.complaint({"image": "gone.png"}, {}, context)

    assert complaint is not None
    assert "gone.png" in complaint


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "a/../../b.png", "C:\\x.png", "a\0.png", ""])
def test_names_that_lead_out_are_refused(context: RecordingContext, name: str) -> None:
    assert load_image.complaint({"image": name}, {}, context) is not None
    with pytest.raises(UnsafeName):
        run_node(load_image, context, image=name)


def test_missing_and_broken_files_are_named(folders: Folders, context: RecordingContext) -> None:
    (folders.input / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")

    with pytest.raises(MissingFile, match=r"gone\.png"):
        run_node(load_image, context, image="gone.png")
    with pytest.raises(BadFile, match=r"broken\.png"):
        run_node(load_image, context, image="broken.png")


def test_a_fresh_input_folder_holds_an_example(tmp_path: Path) -> None:
    folders = Folders.under(tmp_path / "new")
    folders.prepare()

    image, _ = run_node(load_image, RecordingContext(services=(folders,)), image="example.png").values

    assert image.shape[0] == 1
    assert image.shape[3] == 3
