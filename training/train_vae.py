"""Train the autoencoder, then cache normalised latents of the whole data set.

Run: `python -m training.train_vae --minutes 15`. A second run goes on from the checkpoint.
"""

import argparse
import math
import os
import time
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from training.fused import fuse
from training.models import SCALING_FACTOR, count, make_vae
from training.optim import Optimiser
from training.paths import DATASET, LATENTS, VAE_CHECKPOINT

CROP = 64
KL_WEIGHT = 1e-4


def load_images() -> Tensor:
    """All pictures as uint8 (count, 3, 128, 128)."""
    return torch.from_numpy(np.load(DATASET / "images.npy")).permute(0, 3, 1, 2).contiguous()


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 pixels as floats in -1..1, channels last."""
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def crops(images: Tensor, batch: int) -> Tensor:
    """Random CROP x CROP windows at multiples of 4 pixels, in -1..1."""
    windows = []
    for index in torch.randint(len(images), (batch,)).tolist():
        top, left = (4 * torch.randint((128 - CROP) // 4 + 1, (2,))).tolist()
        windows.append(images[index, :, top : top + CROP, left : left + CROP])
    return to_unit(torch.stack(windows))


def loss_of(vae: AutoencoderKL, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Total loss and mean absolute error of one batch."""
    with torch.autocast("cpu", torch.bfloat16):
        moments = vae.quant_conv(vae.encoder(pixels))
        mean, log_variance = moments.float().chunk(2, dim=1)
        log_variance = log_variance.clamp(-20, 10)
        latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        output = vae.decoder(vae.post_quant_conv(latents)).float()
    absolute = (output - pixels).abs().mean()
    edges = (output.diff(dim=2) - pixels.diff(dim=2)).abs().mean()
    edges = edges + (output.diff(dim=3) - pixels.diff(dim=3)).abs().mean()
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    return absolute + edges + KL_WEIGHT * divergence, absolute.detach()


@torch.no_grad()
def encode(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Mean latents, float32 (count, 4, 16, 16), as the autoencoder gives them."""
    parts = []
    for chunk in images.split(64):
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(vae.encode(to_unit(chunk)).latent_dist.mean.float())
    return torch.cat(parts)


@torch.no_grad()
def fold_normalisation(vae: AutoencoderKL, latents: Tensor) -> None:
    """Change the 1x1 convolutions at the latents so that scaled latents have unit variance.

    With m and s the channel means and deviations of `latents` (N, 4, h, w), the encoder
    then gives (z - m) / (s * SCALING_FACTOR) and the decoder undoes it, so that the usual
    multiplication by SCALING_FACTOR leaves mean 0 and variance 1 in every channel.
    """
    mean = latents.mean((0, 2, 3))
    deviation = latents.std((0, 2, 3))
    gain = 1 / (deviation * SCALING_FACTOR)
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.weight[:4] *= gain.view(4, 1, 1, 1)
    quant.bias[:4] = (quant.bias[:4] - mean) * gain
    quant.weight[4:] *= 1.0
    quant.bias[4:] += 2 * gain.log()
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight *= (1 / gain).view(1, 4, 1, 1)


@torch.no_grad()
def fit_preview(latents: Tensor, images: Tensor) -> tuple[list[list[float]], list[float]]:
    """Least-squares 4x3 factors and bias from scaled latents to RGB in -1..1."""
    colours = F.avg_pool2d(to_unit(images), 8).permute(0, 2, 3, 1).reshape(-1, 3)
    inputs = latents.permute(0, 2, 3, 1).reshape(-1, 4)
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    solution = torch.linalg.lstsq(inputs, colours).solution
    return solution[:4].tolist(), solution[4].tolist()


def save(path: os.PathLike[str], state: dict[str, Any]) -> None:
    """Write a checkpoint through a temporary file."""
    temporary = f"{os.fspath(path)}.part"
    torch.save(state, temporary)
    os.replace(temporary, path)


def cache_latents(vae: AutoencoderKL, images: Tensor) -> None:
    """Fold the normalisation into the autoencoder and write LATENTS."""
    vae.eval()
    fold_normalisation(vae, encode(vae, images))
    latents = encode(vae, images) * SCALING_FACTOR
    factors, bias = fit_preview(latents, images)
    print("latent mean", latents.mean((0, 2, 3)).tolist(), "std", latents.std((0, 2, 3)).tolist())
    save(
        LATENTS,
        {"vae": vae.state_dict(), "latents": latents, "factors": factors, "bias": bias},
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    images = load_images()
    vae = make_vae().to(memory_format=torch.channels_last)
    fuse(vae)
    optimiser = Optimiser([vae], arguments.lr, edges=("conv_in", "conv_out"))
    if VAE_CHECKPOINT.exists():
        state = torch.load(VAE_CHECKPOINT, weights_only=True)
        vae.load_state_dict(state["vae"])
        optimiser.load_state_dict(state["optimiser"])
    print(f"{count(vae) / 1e6:.2f} M parameters", flush=True)
    start, step, seconds = time.monotonic(), 0, arguments.minutes * 60
    while (elapsed := time.monotonic() - start) < seconds:
        rate = min(1.0, (step + 1) / 100) * (0.02 + 0.98 * math.cos(elapsed / seconds * 1.5) ** 2)
        loss, absolute = loss_of(vae, crops(images, arguments.batch))
        loss.backward()
        optimiser.step([p.grad for p in vae.parameters() if p.grad is not None], rate)
        vae.zero_grad(set_to_none=True)
        step += 1
        if step % 50 == 0:
            speed = step * arguments.batch / (time.monotonic() - start)
            print(f"{step} loss {loss:.4f} error {absolute:.4f} {speed:.1f}/s", flush=True)
        if step % 200 == 0:
            save(VAE_CHECKPOINT, {"vae": vae.state_dict(), "optimiser": optimiser.state_dict()})
    save(VAE_CHECKPOINT, {"vae": vae.state_dict(), "optimiser": optimiser.state_dict()})
    cache_latents(vae, images)


if __name__ == "__main__":
    main()
