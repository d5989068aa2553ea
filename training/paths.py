"""Where the training scripts keep their files."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
RUNS = ROOT / "runs"
DATA = RUNS / "data"
DATASET = RUNS / "dataset"
"""Folder with `images.npy` (uint8, count x 128 x 128 x 3) and `records.json`."""

VAE_CHECKPOINT = RUNS / "vae.pt"
LATENTS = RUNS / "latents.pt"
UNET_CHECKPOINT = RUNS / "unet.pt"
WEIGHTS = ROOT.parent / "src/limner/data/models/checkpoints/limner-emoji.safetensors"
