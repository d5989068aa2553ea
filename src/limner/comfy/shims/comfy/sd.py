"""ComfyUI's `comfy.sd`: loading models, as MODEL, CLIP and VAE."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor

from limner.comfy.shims.bridge import bridge_of
from limner.comfy.shims.objects import autoencoder
from limner.comfy.shims.objects.lora import load_lora, model_lora_keys_clip, model_lora_keys_unet
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.comfy.shims.objects.text import CLIP
from limner.diffusion.runtime import Runtime

bridge = bridge_of(__name__)


class CLIPType(Enum):
    """Which text encoders belong together."""

    STABLE_DIFFUSION = 1
    STABLE_CASCADE = 2
    SD3 = 3
    STABLE_AUDIO = 4
    HUNYUAN_DIT = 5
    FLUX = 6
    MOCHI = 7
    LTXV = 8
    HUNYUAN_VIDEO = 9
    PIXART = 10
    COSMOS = 11
    LUMINA2 = 12
    WAN = 13
    HIDREAM = 14
    CHROMA = 15
    ACE = 16
    OMNIGEN2 = 17
    QWEN_IMAGE = 18
    HUNYUAN_IMAGE = 19


class VAE(autoencoder.VAE):
    """A VAE of tensors by name."""

    def __init__(
        self,
        sd: Mapping[str, Tensor] | None = None,
        device: Any = None,
        config: Any = None,
        dtype: Any = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Raises CheckpointError where the tensors are no VAE that is known."""
        if sd is None:
            raise ValueError("a VAE is made of a file's tensors")
        with tempfile.TemporaryDirectory(prefix="limner-") as folder:
            path = Path(folder) / "vae.safetensors"
            import_module("comfy.utils").save_torch_file(sd, str(path), metadata)
            super().__init__(bridge.services.get(Runtime).load_vae(path))


def load_checkpoint_guess_config(
    ckpt_path: str,
    output_vae: bool = True,
    output_clip: bool = True,
    output_clipvision: bool = False,
    embedding_directory: Any = None,
    output_model: bool = True,
    model_options: Any = None,
    te_model_options: Any = None,
) -> tuple[ModelPatcher | None, CLIP | None, autoencoder.VAE | None, None]:
    """(MODEL, CLIP, VAE, nothing) of a file; a part that it lacks, or that is not wanted, is None."""
    found = bridge.services.get(Runtime).load_checkpoint(Path(ckpt_path))
    model = ModelPatcher.of(found.model) if output_model else None
    clip = CLIP(found.text) if output_clip and found.text is not None else None
    return model, clip, autoencoder.VAE(found.vae) if output_vae and found.vae is not None else None, None


def load_checkpoint(
    config_path: str | None = None,
    ckpt_path: str | None = None,
    output_vae: bool = True,
    output_clip: bool = True,
    embedding_directory: Any = None,
    state_dict: Any = None,
    config: Any = None,
) -> tuple[ModelPatcher | None, CLIP | None, autoencoder.VAE | None]:
    """As `load_checkpoint_guess_config`; what a configuration file says is found in the tensors."""
    if ckpt_path is None:
        raise ValueError("a checkpoint is loaded from a file")
    return load_checkpoint_guess_config(ckpt_path, output_vae, output_clip)[:3]


def load_lora_for_models(
    model: ModelPatcher | None,
    clip: CLIP | None,
    lora: Mapping[str, Tensor],
    strength_model: float,
    strength_clip: float,
) -> tuple[ModelPatcher | None, CLIP | None]:
    """Clones with a LoRA's tensors added at these strengths."""
    keys: dict[str, str] = {}
    if model is not None:
        model_lora_keys_unet(model.model, keys)
    if clip is not None:
        model_lora_keys_clip(clip.cond_stage_model, keys)
    patches = load_lora(lora, keys)
    if model is not None:
        model = model.clone()
        model.add_patches(patches, strength_model)
    if clip is not None:
        clip = clip.clone()
        clip.add_patches(patches, strength_clip)
    return model, clip
