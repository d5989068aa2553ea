"""Draws the picture at the top of the README: `python tools/picture.py`.

One workflow draws every prompt with the built-in model and puts the results side by side; Limner runs it and writes it
into the picture, so that the picture opens as that workflow in the editor.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROMPTS = (
    ("red apple", 1),
    ("cat face, fluent style", 3),
    ("rocket", 2),
    ("rainbow", 1),
    ("hamburger, fluent style", 2),
    ("sunflower", 4),
    ("jellyfish, fluent style", 1),
    ("unicorn, noto style", 5),
    ("watermelon", 3),
    ("fox face", 2),
    ("birthday cake, fluent style", 1),
    ("full moon", 6),
)
"""What to draw, and with which seed."""
COLUMNS = 6
TARGET = Path(__file__).resolve().parents[1] / "docs" / "images" / "limner.png"


def workflow() -> dict[str, Any]:
    """The prompts in rows, as one API-form workflow."""
    nodes: dict[str, Any] = {
        "model": node("CheckpointLoaderSimple", ckpt_name="limner-emoji.safetensors"),
        "empty": node("EmptyLatentImage", width=128, height=128, batch_size=1),
        "negative": node("CLIPTextEncode", clip=["model", 1], text=""),
    }
    pictures = [drawn(nodes, number, *prompt) for number, prompt in enumerate(PROMPTS)]
    rows = [
        joined(nodes, f"row{start}", pictures[start : start + COLUMNS], "right")
        for start in range(0, len(pictures), COLUMNS)
    ]
    nodes["save"] = node("SaveImage", images=joined(nodes, "all", rows, "down"), filename_prefix="limner")
    return nodes


def drawn(nodes: dict[str, Any], number: int, prompt: str, seed: int) -> list[Any]:
    """Adds what draws one prompt; gives the link to its picture."""
    text, sample, decode = f"text{number}", f"sample{number}", f"decode{number}"
    nodes[text] = node("CLIPTextEncode", clip=["model", 1], text=prompt)
    nodes[sample] = node(
        "KSampler",
        model=["model", 0],
        positive=[text, 0],
        negative=["negative", 0],
        latent_image=["empty", 0],
        seed=seed,
        steps=30,
        cfg=4.0,
        sampler_name="dpmpp_2m",
        scheduler="karras",
        denoise=1.0,
    )
    nodes[decode] = node("VAEDecode", samples=[sample, 0], vae=["model", 2])
    return [decode, 0]


def joined(nodes: dict[str, Any], name: str, links: list[list[Any]], direction: str) -> list[Any]:
    """Adds what puts pictures side by side; gives the link to the whole."""
    whole = links[0]
    for number, link in enumerate(links[1:]):
        nodes[f"{name}-{number}"] = node(
            "ImageStitch",
            image1=whole,
            image2=link,
            direction=direction,
            match_image_size=True,
            spacing_width=0,
            spacing_color="white",
        )
        whole = [f"{name}-{number}", 0]
    return whole


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "workflow.json"
        file.write_text(json.dumps(workflow()))
        command = [sys.executable, "-m", "limner.cli", "run", str(file), "--base-directory", folder]
        saved = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(saved, TARGET)
    print(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
