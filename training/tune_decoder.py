"""Train the decoder alone on whole pictures; latents and UNet stay as they are.

Run: `python -m training.tune_decoder --minutes 15`. It starts from the decoder that
the latents file holds and writes it back there, so that it can be repeated at any time.
"""

import argparse
import time

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from training.fused import fuse
from training.models import SCALING_FACTOR, make_vae
from training.optim import Optimiser
from training.paths import LATENTS
from training.train_vae import CROP, load_images, save, to_unit

LATENT_NOISE = 0.03
"""Deviation of noise added to the latents, in units of theirs: a UNet is never exact."""


def pair(latents: Tensor, images: Tensor, batch: int) -> tuple[Tensor, Tensor]:
    """Random windows: latents (N, 4, c/8, c/8) and their pixels (N, 3, c, c) in -1..1."""
    side, span = CROP // 8, (128 - CROP) // 8 + 1
    coded, pixels = [], []
    for index in torch.randint(len(images), (batch,)).tolist():
        top, left = torch.randint(span, (2,)).tolist()
        coded.append(latents[index, :, top : top + side, left : left + side])
        rows, columns = slice(8 * top, 8 * top + CROP), slice(8 * left, 8 * left + CROP)
        pixels.append(images[index, :, rows, columns])
    return torch.stack(coded), to_unit(torch.stack(pixels))


def loss_of(vae: AutoencoderKL, latents: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Total loss and mean absolute error away from the inner borders of the windows."""
    noisy = latents + LATENT_NOISE * torch.randn_like(latents)
    with torch.autocast("cpu", torch.bfloat16):
        output = vae.decode(noisy / SCALING_FACTOR).sample.float()
    absolute = (output - pixels).abs().mean()
    edges = (output.diff(dim=2) - pixels.diff(dim=2)).abs().mean()
    edges = edges + (output.diff(dim=3) - pixels.diff(dim=3)).abs().mean()
    return absolute + edges, absolute.detach()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = torch.load(LATENTS, weights_only=True)
    images = load_images()
    vae = make_vae().to(memory_format=torch.channels_last)
    vae.load_state_dict(data["vae"])
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    fuse(vae)
    parts = [vae.decoder, vae.post_quant_conv]
    parameters = [parameter for module in parts for parameter in module.parameters()]
    optimiser = Optimiser(parts, arguments.lr, edges=("conv_in", "conv_out"))
    start, step, seconds, recent = time.monotonic(), 0, arguments.minutes * 60, 0.0
    while (elapsed := time.monotonic() - start) < seconds:
        rate = min(1.0, (step + 1) / 50) * (1.02 - elapsed / seconds)
        loss, absolute = loss_of(vae, *pair(data["latents"], images, arguments.batch))
        loss.backward()
        optimiser.step([p.grad for p in parameters if p.grad is not None], rate)
        for parameter in parameters:
            parameter.grad = None
        step += 1
        recent += float(absolute)
        if step % 50 == 0:
            speed = step * arguments.batch / (time.monotonic() - start)
            print(f"{step} error {recent / 50:.4f} {speed:.1f}/s", flush=True)
            recent = 0.0
    data = torch.load(LATENTS, weights_only=True)
    data["vae"] = vae.state_dict()
    save(LATENTS, data)


if __name__ == "__main__":
    main()
