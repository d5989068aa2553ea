"""A pack of two thousand node types with inputs as usual ones have them; they are described, and never run."""

from __future__ import annotations

import random
from typing import Any

COUNT = 2_000
SAMPLERS = [f"sampler_{number}" for number in range(40)]
WORDS = [f"{begin}{middle}{end}" for begin in "bdfklmnprst" for middle in "aeiou" for end in ("", "nk", "rt", "ssel")]
"""What texts are made of: as long as those of real packs, and no two alike."""


def text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(WORDS, k=words))


class Many:
    RETURN_TYPES = ("LATENT", "IMAGE")
    FUNCTION = "run"
    CATEGORY = "measuring/many"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        chance = random.Random(cls.__name__)
        least, most = chance.randrange(10), chance.randrange(100, 10_000)
        many = {"default": least + 1, "min": least, "max": most, "tooltip": text(chance, 10)}
        share = {"default": 1.0, "min": 0.0, "max": chance.random() * 100, "step": 0.01, "tooltip": text(chance, 12)}
        return {
            "required": {
                "model": ("MODEL", {"tooltip": text(chance, 8)}),
                "positive": ("CONDITIONING",),
                "latent": ("LATENT",),
                text(chance, 1): ("STRING", {"multiline": True, "tooltip": text(chance, 12)}),
                text(chance, 2).replace(" ", "_"): (chance.sample(SAMPLERS, 8),),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}),
                text(chance, 2).replace(" ", "_") + "_count": ("INT", many),
                text(chance, 2).replace(" ", "_") + "_share": ("FLOAT", share),
            },
            "optional": {"mask": ("MASK",), "switch": ("BOOLEAN", {"default": True, "tooltip": text(chance, 6)})},
        }

    def run(self, **given: Any) -> tuple[Any, Any]:
        raise NotImplementedError


NODE_CLASS_MAPPINGS = {
    f"Many{number}": type(f"Many{number}", (Many,), {"DESCRIPTION": text(random.Random(number), 20)})
    for number in range(COUNT)
}
