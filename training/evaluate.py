"""Measure how often the model draws the concept that the prompt names.

Run: `python -m training.evaluate`. Writes `runs/evaluation.json` and, with `--sheet`, a
contact sheet of 100 prompts. The file is read through diffusers alone.
"""

import argparse
import json
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from PIL import Image, ImageDraw
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel

from training.captions import load_records
from training.models import BETA_END, BETA_START, TRAIN_STEPS
from training.paths import RUNS, WEIGHTS
from training.tokens import Tokenizer
from training.train_vae import load_images

SHEET_PROMPTS = 100


@dataclass
class Model:
    """The networks of one exported file, in float32."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text: CLIPTextModel
    tokenizer: Tokenizer

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a file in the 1.x layout with its configuration in the header."""
        with safe_open(path, framework="pt") as file:
            config: dict[str, Any] = json.loads(file.metadata()["limner.config"])
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        unet = UNet2DConditionModel(**config["unet"])
        unet.load_state_dict(convert_ldm_unet_checkpoint(dict(state), config["unet"]))
        vae = AutoencoderKL(**config["vae"])
        vae.load_state_dict(convert_ldm_vae_checkpoint(dict(state), config["vae"]))
        text = CLIPTextModel(CLIPTextConfig(**config["text"]))
        prefix = "cond_stage_model.transformer."
        inner = "" if hasattr(text, "text_model") else "text_model."
        text.load_state_dict(
            {k.removeprefix(prefix + inner): v for k, v in state.items() if k.startswith(prefix)},
        )
        for network in (unet, vae, text):
            network.eval()
        unet.to(memory_format=torch.channels_last)
        return cls(unet, vae, text, Tokenizer(config["text"]["vocab_size"]))

    @torch.no_grad()
    def draw(self, prompts: list[str], seeds: list[int], scale: float, steps: int) -> Tensor:
        """Pictures (N, 3, 128, 128) in 0..1, each from its own seed, with DPM++ 2M."""
        scheduler = DPMSolverMultistepScheduler(
            num_train_timesteps=TRAIN_STEPS,
            beta_start=BETA_START,
            beta_end=BETA_END,
            beta_schedule="scaled_linear",
            use_karras_sigmas=True,
            final_sigmas_type="zero",
        )
        scheduler.set_timesteps(steps)
        noise = [torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(s)) for s in seeds]
        latents = torch.stack(noise) * scheduler.init_noise_sigma
        with torch.autocast("cpu", torch.bfloat16):
            ids = self.tokenizer.batch([""] * len(prompts) + prompts)
            states = self.text(ids).last_hidden_state
            for step in scheduler.timesteps:
                both = scheduler.scale_model_input(torch.cat([latents, latents]), step)
                noise_both = self.unet(both, step, states, return_dict=False)[0].float()
                free, told = noise_both.chunk(2)
                guided = free + scale * (told - free)
                latents = scheduler.step(guided, step, latents, return_dict=False)[0]
            pictures = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        finished: Tensor = (pictures.float() / 2 + 0.5).clamp(0, 1)
        return finished


def small(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, 128, 128) in 0..1 as vectors of 32 x 32 pixels."""
    return F.avg_pool2d(pictures, 4).flatten(1)


def batches(items: list[Any], size: int) -> Iterable[list[Any]]:
    """Consecutive runs of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))


def evaluate(model: Model, concepts: int, seeds: int, scale: float, steps: int) -> dict[str, Any]:
    """Shares of pictures whose nearest training pictures of the style hold the concept."""
    records = load_records()
    styles = sorted({record["style"] for record in records})
    images = load_images()
    chance = random.Random(7)
    chosen = chance.sample(range(len(records) // len(styles)), concepts)
    jobs = []
    for place, concept in enumerate(chosen):
        style = styles[place % len(styles)]
        match = next(r for r in records[3 * concept : 3 * concept + 3] if r["style"] == style)
        jobs += [(match, seed) for seed in range(1, seeds + 1)]
    galleries = {}
    for style in styles:
        rows = [r["index"] for r in records if r["style"] == style]
        galleries[style] = (torch.tensor(rows), small(images[rows].float() / 255))
    first = five = 0
    by_style = {style: [0, 0] for style in styles}
    for group in batches(jobs, 25):
        prompts = [f"{record['label']}, {record['style']} style" for record, _ in group]
        vectors = small(model.draw(prompts, [seed for _, seed in group], scale, steps))
        for (record, _), vector in zip(group, vectors, strict=True):
            rows, gallery = galleries[record["style"]]
            nearest = rows[(gallery - vector).square().sum(1).topk(5, largest=False).indices]
            hit = int(nearest[0] == record["index"])
            first += hit
            five += int(record["index"] in nearest.tolist())
            by_style[record["style"]][0] += hit
            by_style[record["style"]][1] += 1
    return {
        "top1": first / len(jobs),
        "top5": five / len(jobs),
        "pictures": len(jobs),
        "scale": scale,
        "steps": steps,
        "top1_by_style": {style: hits / max(total, 1) for style, (hits, total) in by_style.items()},
    }


def sheet(model: Model, scale: float, steps: int, path: Path) -> None:
    """A contact sheet: 10 x 10 prompts with and without a style, captions below."""
    records = load_records()
    chance = random.Random(11)
    favourites = ["red apple", "cat face, fluent style", "rocket", "pizza", "unicorn, noto style"]
    drawn = chance.sample(records, SHEET_PROMPTS - len(favourites))
    prompts = favourites + [
        r["label"] if i % 4 == 0 else f"{r['label']}, {r['style']} style" for i, r in enumerate(drawn)
    ]
    canvas = Image.new("RGB", (10 * 132, 10 * 146), "white")
    pen = ImageDraw.Draw(canvas)
    place = 0
    for group in batches(prompts, 25):
        pictures = model.draw(group, [1] * len(group), scale, steps)
        for prompt, picture in zip(group, pictures, strict=True):
            left, top = 132 * (place % 10) + 2, 146 * (place // 10) + 2
            pixels = (picture.permute(1, 2, 0) * 255).round().to(torch.uint8)
            canvas.paste(Image.fromarray(np.asarray(pixels)), (left, top))
            pen.text((left, top + 128), prompt[:24], fill="black")
            place += 1
    canvas.save(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--concepts", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--scale", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", action="store_true", help="write the contact sheet too")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = Model.load(arguments.weights)
    begun = time.monotonic()
    model.draw(["red apple"], [1], arguments.scale, arguments.steps)
    seconds = time.monotonic() - begun
    if arguments.sheet:
        sheet(model, arguments.scale, arguments.steps, RUNS / "sheet.png")
    result = {"seconds_for_one": round(seconds, 2)}
    if arguments.concepts:
        numbers = (arguments.concepts, arguments.seeds, arguments.scale, arguments.steps)
        result |= evaluate(model, *numbers)
    (RUNS / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
