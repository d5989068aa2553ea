"""ComfyUI's CLIP_VISION, over one of Limner's image encoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.diffusion.vision import MEAN, STD, VisionEncoder


class Output:
    """What an image encoder gave, by attribute and by key."""

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __setitem__(self, key: str, item: Any) -> None:
        setattr(self, key, item)


class ClipVisionModel:
    """Pictures to vectors."""

    def __init__(self, core: VisionEncoder) -> None:
        self.core = core
        self.model = core.resident.module
        self.image_size = core.size
        self.image_mean, self.image_std = list(MEAN), list(STD)
        self.return_all_hidden_states = False
        self.load_device: Any = core.resident.target
        self.dtype = next(self.model.parameters()).dtype
        self.patcher = ModelPatcher(self.model, self.load_device, torch.device("cpu"), core.resident.size)

    def load_sd(self, sd: Any) -> Any:
        """Other weights, by transformers' names."""
        return self.model.load_state_dict(sd, strict=False)

    def get_sd(self) -> dict[str, Tensor]:
        return dict(self.model.state_dict())

    def encode_image(self, image: Tensor, crop: bool = True) -> Output:
        """For pictures [batch, height, width, 3] in 0..1."""
        found = self.core.encode(image, crop)
        output = Output()
        output["last_hidden_state"] = found.last
        output["penultimate_hidden_states"] = found.penultimate
        output["image_embeds"] = found.embeds
        output["mm_projected"] = None
        return output
