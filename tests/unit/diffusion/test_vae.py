"""The autoencoder: shapes, ranges, tiles, and what happens when memory runs out."""

from typing import Any

import pytest
import torch

from limner.diffusion.tiles import tiled
from limner.diffusion.vae import Autoencoder


def test_decode_gives_pictures_in_range(tiny: Any) -> None:
    pictures = tiny.vae.decode(torch.randn(3, 4, 4, 6) * 3)
    assert pictures.shape == (3, 32, 48, 3)
    assert pictures.dtype is torch.float32
    assert pictures.is_contiguous()
    assert 0 <= pictures.min() <= pictures.max() <= 1


def test_a_batch_is_its_pictures_one_by_one(tiny: Any) -> None:
    latent = torch.randn(2, 4, 4, 4)
    assert torch.equal(tiny.vae.decode(latent)[1:], tiny.vae.decode(latent[1:]))
    pictures = torch.rand(2, 16, 16, 3)
    assert torch.equal(tiny.vae.encode(pictures)[1:], tiny.vae.encode(pictures[1:]))


def test_encode_is_repeatable_and_crops_about_the_middle(tiny: Any) -> None:
    pictures = torch.rand(1, 37, 30, 3)
    latent = tiny.vae.encode(pictures)
    assert latent.shape == (1, 4, 4, 3)
    assert torch.equal(latent, tiny.vae.encode(pictures[:, 2:34, 3:27]))


def test_alpha_is_dropped(tiny: Any) -> None:
    pictures = torch.rand(1, 16, 16, 4)
    assert torch.equal(tiny.vae.encode(pictures), tiny.vae.encode(pictures[..., :3]))


def test_tiles_of_a_pointwise_map_leave_no_seams() -> None:
    x = torch.rand(2, 3, 23, 31)
    for tile in ((8, 8), (4, 16), (64, 64)):
        assert torch.allclose(tiled(x, lambda t: t * 2, tile, 3, scale=1, channels=3), x * 2, atol=1e-5)


def test_tiles_scale_up_and_down() -> None:
    x = torch.rand(1, 4, 20, 12)
    up = torch.nn.functional.interpolate
    enlarged = tiled(x, lambda t: up(t, scale_factor=8), (8, 8), 2, scale=8, channels=4)
    assert torch.allclose(enlarged, up(x, scale_factor=8), atol=1e-5)
    pool = torch.nn.functional.avg_pool2d
    assert torch.allclose(tiled(enlarged, lambda t: pool(t, 8), (32, 32), 8, scale=1 / 8, channels=4), x, atol=1e-5)


def test_tiles_are_joined_before_they_are_cut_off_at_black_and_white(
    monkeypatch: pytest.MonkeyPatch, tiny: Any
) -> None:
    # Where one tiling overshoots and another does not, their mean counts, not the mean of what can be shown.
    answers = iter([3.0, -1.0, -1.0])
    monkeypatch.setattr(Autoencoder, "_decode", lambda self, latent: torch.full((1, 3, 16, 16), next(answers)))
    assert torch.allclose(tiny.vae.decode_tiled(torch.zeros(1, 4, 2, 2)), torch.tensor((1 / 3 + 1) / 2))


def test_one_tile_is_the_whole(tiny: Any) -> None:
    latent = torch.randn(1, 4, 6, 6)
    assert torch.allclose(tiny.vae.decode_tiled(latent, 64, 16), tiny.vae.decode(latent), atol=1e-5)
    pictures = torch.rand(1, 40, 40, 3)
    assert torch.allclose(tiny.vae.encode_tiled(pictures), tiny.vae.encode(pictures), atol=1e-5)


def test_tiles_when_memory_runs_out(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    latent = torch.randn(1, 4, 72, 4)
    expected = tiny.vae.decode_tiled(latent)
    decode = Autoencoder._decode

    def short(self: Autoencoder, latent: torch.Tensor, work: int = 0) -> torch.Tensor:
        if latent.shape[2] > 71:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return decode(self, latent, work)

    monkeypatch.setattr(Autoencoder, "_decode", short)
    with pytest.raises(RuntimeError):
        short(tiny.vae, latent)
    # 128 cells high tiles would not fit either; those of 64 and 32 do.
    monkeypatch.setattr("limner.diffusion.vae._tile_shapes", lambda tile: ((tile, tile),))
    assert tiny.vae.decode(latent).shape == expected.shape


def test_other_failures_are_not_hidden(tiny: Any) -> None:
    with pytest.raises(RuntimeError):
        tiny.vae.decode(torch.randn(1, 5, 4, 4))
