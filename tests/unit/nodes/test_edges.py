"""What nodes do where ComfyUI fails: they say what is wrong, or do what was meant."""

from __future__ import annotations

import pytest
import torch

from limner.nodes.errors import UnusableInput
from limner.nodes.library import built_in
from limner.sdk.testing import run_node

NODES = {implementation.schema.type: implementation for implementation in built_in()}


def result(node: str, **inputs: object) -> torch.Tensor:
    value = run_node(NODES[node], **inputs).values[0]
    assert isinstance(value, torch.Tensor)
    return value


def test_a_source_beyond_the_edge_is_cut_off() -> None:
    base, top = torch.zeros(1, 4, 4, 3), torch.ones(1, 3, 3, 3)

    assert result("ImageCompositeMasked", destination=base, source=top, x=2, y=3).sum() == 2 * 3
    assert result("ImageCompositeMasked", destination=base, source=top, x=-2, y=-1).sum() == 1 * 2 * 3
    assert result("ImageCompositeMasked", destination=base, source=top, x=99, y=0).sum() == 0


def test_transparent_pictures_take_opaque_ones() -> None:
    base, top = torch.zeros(1, 4, 4, 4), torch.ones(1, 4, 4, 3) * 0.5
    pasted = result("ImageCompositeMasked", destination=base, source=top, x=0, y=0)

    assert pasted.shape == (1, 4, 4, 4)
    assert bool((pasted[..., 3] == 1).all())


def test_batches_of_different_channels_join() -> None:
    joined = result("ImageBatch", image1=torch.zeros(1, 4, 4, 3), image2=torch.zeros(2, 8, 8, 4))

    assert joined.shape == (3, 4, 4, 4)
    assert bool((joined[0, ..., 3] == 1).all())


def test_masks_of_different_batches_combine() -> None:
    combined = result(
        "MaskComposite",
        destination=torch.zeros(1, 4, 4),
        source=torch.ones(3, 9, 9),
        x=2,
        y=0,
        operation="add",
    )

    assert combined.shape == (1, 4, 4)
    assert combined.sum() == 2 * 4


def test_shrinking_undoes_growing_of_a_square() -> None:
    mask = torch.zeros(1, 9, 9)
    mask[:, 4, 4] = 1
    grown = result("GrowMask", mask=mask, expand=3, tapered_corners=False)

    assert grown.sum() == 49
    assert torch.equal(result("GrowMask", mask=grown, expand=-3, tapered_corners=False), mask)


def test_growing_without_end_ends() -> None:
    mask = torch.zeros(1, 6, 6)
    mask[:, 0, 0] = 1

    assert bool(result("GrowMask", mask=mask, expand=16384, tapered_corners=True).all())


def test_a_channel_that_is_not_there_is_named() -> None:
    with pytest.raises(UnusableInput, match="alpha"):
        run_node(NODES["ImageToMask"], image=torch.zeros(1, 2, 2, 3), channel="alpha")


def test_a_radius_too_large_for_the_picture_is_named() -> None:
    with pytest.raises(ValueError, match="radius of 9 is too large"):
        run_node(NODES["ImageBlur"], image=torch.zeros(1, 8, 8, 3), blur_radius=9)


@pytest.mark.parametrize(
    ("node", "names", "more"),
    [
        ("LatentAdd", ("samples1", "samples2"), {}),
        ("LatentBatch", ("samples1", "samples2"), {}),
        ("LatentConcat", ("samples1", "samples2"), {"dim": "x"}),
        ("LatentComposite", ("samples_to", "samples_from"), {"x": 0, "y": 0, "feather": 0}),
    ],
)
def test_latents_of_different_models_are_told_apart(node: str, names: tuple[str, str], more: dict[str, object]) -> None:
    latents = {"samples": torch.zeros(1, 4, 8, 8)}, {"samples": torch.zeros(1, 16, 8, 6)}
    with pytest.raises(UnusableInput, match="4 channels in 2 dimensions and 16 channels"):
        run_node(NODES[node], **dict(zip(names, latents, strict=True)), **more)


def test_latents_that_cannot_stand_side_by_side_are_named() -> None:
    latents = {"samples1": {"samples": torch.zeros(1, 4, 8, 8)}, "samples2": {"samples": torch.zeros(1, 4, 6, 8)}}
    assert result_of_concat(latents, "y") == (1, 4, 14, 8)
    with pytest.raises(UnusableInput, match="Scale or crop"):
        result_of_concat(latents, "x")


def test_latents_without_frames_join_their_channels() -> None:
    latents = {"samples1": {"samples": torch.zeros(1, 4, 8, 8)}, "samples2": {"samples": torch.zeros(1, 16, 8, 8)}}
    assert result_of_concat(latents, "t") == (1, 20, 8, 8)


def result_of_concat(latents: dict[str, object], dim: str) -> tuple[int, ...]:
    value = run_node(NODES["LatentConcat"], **latents, dim=dim).values[0]
    assert isinstance(value, dict)
    return tuple(value["samples"].shape)


def test_a_size_of_nothing_is_named() -> None:
    with pytest.raises(ValueError, match="Choose a larger"):
        run_node(NODES["ImageScaleBy"], image=torch.zeros(1, 8, 8, 3), upscale_method="area", scale_by=0.01)


def test_cropping_to_extreme_proportions_keeps_a_row_or_a_column() -> None:
    tall = torch.arange(9.0).view(1, 9, 1, 1).expand(1, 9, 1, 3)
    kept = result("ImageScale", image=tall, upscale_method="bilinear", width=64, height=1, crop="center")
    assert torch.equal(kept, torch.full((1, 1, 64, 3), 4.0))
    kept = result("ImageScale", image=tall.movedim(1, 2), upscale_method="area", width=1, height=64, crop="center")
    assert torch.equal(kept, torch.full((1, 64, 1, 3), 4.0))


@pytest.mark.parametrize(
    ("node", "inputs"),
    [
        ("EmptyImage", {"width": 16384, "height": 16384, "batch_size": 4096, "color": 0}),
        ("EmptyLatentImage", {"width": 16384, "height": 16384, "batch_size": 4096}),
        ("EmptySD3LatentImage", {"width": 16384, "height": 16384, "batch_size": 4096}),
        ("RepeatImageBatch", {"image": torch.zeros(1, 4096, 4096, 3), "amount": 4096}),
        (
            "ImageScale",
            {
                "image": torch.zeros(600, 2, 2, 3),
                "upscale_method": "bilinear",
                "width": 16384,
                "height": 16384,
                "crop": "disabled",
            },
        ),
        ("EmptyAudio", {"duration": 1e9, "sample_rate": 44100, "channels": 2}),
    ],
)
def test_what_memory_cannot_hold_is_refused(node: str, inputs: dict[str, object]) -> None:
    with pytest.raises(UnusableInput, match="GiB of memory are free"):
        run_node(NODES[node], **inputs)


def test_video_latents_are_scaled_frame_by_frame() -> None:
    frames = torch.rand(2, 4, 5, 8, 8)
    value = run_node(NODES["LatentUpscaleBy"], samples={"samples": frames}, upscale_method="bilinear", scale_by=2.0)
    scaled = value.values[0]["samples"]  # type: ignore[index]
    single = run_node(
        NODES["LatentUpscaleBy"], samples={"samples": frames[:, :, 3]}, upscale_method="bilinear", scale_by=2.0
    ).values[0]["samples"]  # type: ignore[index]

    assert scaled.shape == (2, 4, 5, 16, 16)
    assert torch.equal(scaled[:, :, 3], single)


def test_regular_expressions_that_cannot_be_read() -> None:
    off = {"case_insensitive": True, "multiline": False, "dotall": False}
    assert run_node(NODES["RegexMatch"], string="a", regex_pattern="(", **off).values == (False,)
    with pytest.raises(UnusableInput, match="regex_pattern"):
        run_node(NODES["RegexReplace"], string="a", regex_pattern="(", replace="")
