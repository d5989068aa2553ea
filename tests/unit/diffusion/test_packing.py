"""Packed weights: the same numbers up to the order of a sum, whatever is done with them."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from limner.diffusion import packing
from limner.diffusion.adapters import apply_lora, read_lora
from limner.diffusion.guidance import Guide
from limner.diffusion.precision import Precision
from limner.diffusion.runtime import Runtime

pytestmark = pytest.mark.skipif(not packing.available(), reason="this build of torch cannot pack weights")

HALF = torch.bfloat16


def layers() -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Conv2d(8, 32, 3, padding=1),
        torch.nn.Conv2d(32, 16, 3, stride=2, padding=1, bias=False),
        torch.nn.Conv2d(16, 16, 1),
        torch.nn.Conv2d(16, 16, 3, groups=4),
        torch.nn.Flatten(1, 2),
        torch.nn.Linear(6, 32),
        torch.nn.Linear(32, 5, bias=False),
    ).to(HALF)


@torch.no_grad()
def test_results_are_the_same() -> None:
    module = layers()
    packed = copy.deepcopy(module)
    packing.pack(packed)
    done = [layer.weight.is_mkldnn for layer in packed if hasattr(layer, "weight")]
    assert done == [True, True, False, False, True, True]  # not 1x1, not in groups
    for batch in (1, 2, 5):
        x = torch.randn(batch, 8, 16, 16, dtype=HALF)
        for given in (x, x.contiguous(memory_format=torch.channels_last)):
            # Some processors sum in another order: the last of bfloat16's eight digits may differ.
            torch.testing.assert_close(packed(given), module(given), rtol=2**-7, atol=2**-7)


def test_weights_can_be_taken_out_again() -> None:
    module = layers()
    before = [parameter.clone() for parameter in module.parameters()]
    packing.pack(module)
    for parameter, value in zip(module.parameters(), before, strict=True):
        assert parameter.shape == value.shape
        assert torch.equal(packing.plain(parameter), value)


def test_float32_is_left_alone() -> None:
    module = layers().float()
    packing.pack(module)
    assert not any(parameter.is_mkldnn for parameter in module.parameters())


def loaded(path: Path, pack: bool) -> Any:
    runtime = Runtime("cpu", "bf16")
    runtime.precision = Precision(HALF, HALF, torch.float32, pack)
    return runtime.load_checkpoint(path)


def denoised(model: Any, conditioning: Any) -> torch.Tensor:
    x = torch.ones(1, 4, 8, 8)
    with Guide(model, conditioning, conditioning, 2.0).prepare(x) as denoiser:
        return denoiser(x, torch.ones(1))


def test_a_packed_model_computes_what_a_plain_one_does(tiny_path: Path, tmp_path: Path) -> None:
    plain, packed = loaded(tiny_path, False), loaded(tiny_path, True)
    conditioning = plain.text.encode("red apple")
    assert packed.model.size == plain.model.size
    expected = denoised(plain.model, conditioning)
    assert torch.equal(denoised(packed.model, conditioning), expected)
    latent = torch.randn(1, 4, 4, 4)
    # Torch multiplies plain matrices this small in another way, whose rounding differs.
    assert torch.allclose(packed.vae.decode(latent), plain.vae.decode(latent), atol=0.05)

    name = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    conv = "unet.mid_block.resnets.0.conv1"
    tensors = {f"{name}.lora_A.weight": torch.randn(2, 32), f"{name}.lora_B.weight": torch.randn(32, 2)}
    tensors |= {f"{conv}.lora_A.weight": torch.randn(2, 32, 3, 3), f"{conv}.lora_B.weight": torch.randn(32, 2, 1, 1)}
    save_file(tensors, tmp_path / "style.safetensors")
    lora = read_lora(tmp_path / "style.safetensors")
    with_plain = denoised(apply_lora(lora, plain.model, None).model, conditioning)
    with_packed = denoised(apply_lora(lora, packed.model, None).model, conditioning)
    assert torch.equal(with_packed, with_plain)
    assert not torch.equal(with_packed, expected)
    assert torch.equal(denoised(packed.model, conditioning), expected)
