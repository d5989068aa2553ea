from __future__ import annotations

import pytest
import torch

from limner.nodes.image.color import morphology, rgb_to_yuv, yuv_to_rgb
from limner.sdk.testing import run_node


def test_colours_survive_the_way_there_and_back() -> None:
    image = torch.rand(2, 4, 5, 3, generator=torch.Generator().manual_seed(0))
    luma, blue, red = run_node(rgb_to_yuv, image=image).values

    (back,) = run_node(yuv_to_rgb, Y=luma, U=blue, V=red).values

    assert torch.allclose(back, image, atol=2e-3)


def test_grey_has_no_colour_difference() -> None:
    luma, blue, red = run_node(rgb_to_yuv, image=torch.full((1, 2, 2, 3), 0.3)).values

    assert torch.allclose(luma, torch.full((1, 2, 2, 3), 0.3))
    assert torch.allclose(blue, torch.full((1, 2, 2, 3), 0.5))
    assert torch.allclose(red, torch.full((1, 2, 2, 3), 0.5))


# Of torch.rand((2, 48, 64, 3)) with seed 1, as ComfyUI 0.3.64 computes it with kornia: mean, lowest, highest.
@pytest.mark.parametrize(
    ("operation", "size", "figures"), [("erode", 3, (0.1029, 0.0001, 0.6795)), ("dilate", 5, (0.9579, 0.6413, 1.0))]
)
def test_morphology_is_kornias(operation: str, size: int, figures: tuple[float, ...]) -> None:
    image = torch.rand((2, 48, 64, 3), generator=torch.Generator().manual_seed(1))

    (result,) = run_node(morphology, image=image, operation=operation, kernel_size=size).values

    assert isinstance(result, torch.Tensor)
    assert [float(result.mean()), float(result.min()), float(result.max())] == pytest.approx(figures, abs=1e-4)


def test_an_even_window_reaches_back_to_erode_and_is_mirrored_to_dilate() -> None:
    image = torch.zeros(1, 1, 7, 3)
    image[0, 0, 3] = 1

    (grown,) = run_node(morphology, image=image, operation="dilate", kernel_size=4).values
    (shrunk,) = run_node(morphology, image=1 - image, operation="erode", kernel_size=4).values

    assert isinstance(grown, torch.Tensor)
    assert isinstance(shrunk, torch.Tensor)
    assert grown[0, 0, :, 0].tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert shrunk[0, 0, :, 0].tolist() == [1, 1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("size", [3, 4, 5, 8])
def test_an_opening_is_nowhere_brighter_and_a_closing_nowhere_darker(size: int) -> None:
    image = torch.rand((1, 12, 15, 3), generator=torch.Generator().manual_seed(2))

    (opened,) = run_node(morphology, image=image, operation="open", kernel_size=size).values
    (closed,) = run_node(morphology, image=image, operation="close", kernel_size=size).values

    assert bool((opened <= image).all())
    assert bool((closed >= image).all())


@pytest.mark.parametrize(("operation", "kept"), [("open", False), ("close", True)])
def test_opening_removes_specks_and_closing_fills_holes(operation: str, kept: bool) -> None:
    image = torch.zeros(1, 9, 9, 1) if not kept else torch.ones(1, 9, 9, 1)
    image[0, 4, 4] = 1 - image[0, 4, 4]

    (result,) = run_node(morphology, image=image, operation=operation, kernel_size=3).values

    assert isinstance(result, torch.Tensor)
    assert bool((result == float(kept)).all())
