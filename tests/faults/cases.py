"""Bad input of every kind: a workflow, the files that it needs, and what must be said about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.bad_files import pickled, png, tensor_file

Prompt = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """`says` are words of the message, the node's id among them; `rejected`: before it runs, else while it does."""

    prompt: Prompt
    says: tuple[str, ...]
    rejected: bool
    files: Callable[[Path], None] = lambda base: None


def node(kind: str, **inputs: object) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def good(prefix: str = "good") -> Prompt:
    """A workflow that works."""
    return {
        "1": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "2": node("SaveImage", images=["1", 0], filename_prefix=prefix),
    }


def checkpoint(name: str, data: Callable[[Path], bytes]) -> tuple[Prompt, Callable[[Path], None]]:
    prompt = {
        "4": node("CheckpointLoaderSimple", ckpt_name=name),
        "5": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "8": node("VAEDecode", samples=["5", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="x"),
    }

    def write(base: Path) -> None:
        folder = base / "models" / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data(base))

    return prompt, write


def picture(name: str, data: bytes) -> tuple[Prompt, Callable[[Path], None]]:
    prompt = {
        "1": node("LoadImage", image=name),
        "2": node("SaveImage", images=["1", 0], filename_prefix="x"),
    }

    def write(base: Path) -> None:
        (base / "input").mkdir(parents=True, exist_ok=True)
        (base / "input" / name).write_bytes(data)

    return prompt, write


def loaded(name: str, data: Callable[[Path], bytes], *says: str) -> Case:
    prompt, write = checkpoint(name, data)
    return Case(prompt, ("4", *says), rejected=False, files=write)


def shown(name: str, data: bytes, *says: str, rejected: bool = False) -> Case:
    prompt, write = picture(name, data)
    return Case(prompt, ("1", *says), rejected=rejected, files=write)


def changed(**inputs: object) -> Prompt:
    prompt = good()
    prompt["1"]["inputs"].update(inputs)
    return prompt


WEIGHTS = {"model.diffusion_model.input_blocks.0.0.weight": ("F16", [320, 4, 3, 3], 23040)}

CASES: dict[str, Case] = {
    "truncated checkpoint": loaded("cut.safetensors", lambda base: tensor_file(WEIGHTS, 1000), "cut.safetensors"),
    "checkpoint cut in its header": loaded("head.safetensors", lambda base: tensor_file(WEIGHTS)[:40], "head"),
    "empty checkpoint": loaded("empty.safetensors", lambda base: b"", "empty.safetensors"),
    "checkpoint that is text": loaded("page.safetensors", lambda base: b"<!DOCTYPE html>" * 90, "page.safetensors"),
    "checkpoint of something else": loaded(
        "other.safetensors", lambda base: tensor_file({"head.weight": ("F32", [4, 4], 64)}), "other.safetensors"
    ),
    "pickled checkpoint": loaded("trap.ckpt", lambda base: pickled(base / "sprung"), "trap.ckpt", "safetensors"),
    "unknown node type": Case({"7": node("NoSuchNode", x=1)}, ("7", "NoSuchNode"), True),
    "missing model": Case(
        checkpoint("x", lambda base: b"")[0] | {"4": node("CheckpointLoaderSimple", ckpt_name="gone.safetensors")},
        ("4", "ckpt_name", "gone.safetensors"),
        True,
    ),
    "cycle": Case(
        {
            "1": node("ImageInvert", image=["2", 0]),
            "2": node("ImageInvert", image=["1", 0]),
            "3": node("SaveImage", images=["2", 0], filename_prefix="x"),
        },
        ("1", "2", "cycle"),
        True,
    ),
    "wrong type of a link": Case(
        {
            "1": node("EmptyLatentImage", width=64, height=64, batch_size=1),
            "2": node("SaveImage", images=["1", 0], filename_prefix="x"),
        },
        ("2", "images", "LATENT"),
        True,
    ),
    "wrong type of a value": Case(changed(width="wide"), ("1", "width", "wide"), True),
    "value too large": Case(changed(width=10**6), ("1", "width", "1000000"), True),
    "value too small": Case(changed(height=-4), ("1", "height", "-4"), True),
    "missing input": Case({"2": node("SaveImage", filename_prefix="x")}, ("2", "images"), True),
    "link to nowhere": Case({"2": node("SaveImage", images=["99", 0], filename_prefix="x")}, ("2", "99"), True),
    "no output node": Case({"1": good()["1"]}, ("output",), True),
    "prefix out of the folder": Case({**good("../../outside")}, ("2", "outside"), False),
    "absolute prefix": Case({**good("/tmp/outside")}, ("2", "outside"), False),
    "input out of the folder": shown("../secret.png", png(8, 8), "image", "../secret.png", rejected=True),
    "broken picture": shown("broken.png", png(64, 64, b"\x78\x9cnot zlib at all"), "broken.png"),
    "cut picture": shown("cut.png", png(64, 64)[:48], "cut.png"),
    "picture that is text": shown("text.png", b"hello", "text.png"),
    "picture of a hundred megapixels": shown("bomb.png", png(10_000, 10_000), "bomb.png"),
}


def chain(length: int) -> Prompt:
    """A picture, inverted again and again."""
    prompt = {"0": node("EmptyImage", width=1, height=1, batch_size=1, color=0)}
    for number in range(1, length - 1):
        prompt[str(number)] = node("ImageInvert", image=[str(number - 1), 0])
    prompt["end"] = node("SaveImage", images=[str(length - 2), 0], filename_prefix="chain")
    return prompt
