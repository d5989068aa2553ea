"""ComfyUI's `comfy.sd`: loading models, as MODEL, CLIP and VAE."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
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
from limner.diffusion.errors import CheckpointError
from limner.diffusion.packing import plain
from limner.diffusion.runtime import Runtime
from limner.diffusion.tensorfile import GivenTensors

bridge = bridge_of(__name__)
log = logging.getLogger(__name__)


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
        super().__init__(bridge.services.get(Runtime).load_vae(GivenTensors(sd, "VAE")))


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


def load_state_dict_guess_config(
    sd: Mapping[str, Tensor],
    output_vae: bool = True,
    output_clip: bool = True,
    output_clipvision: bool = False,
    embedding_directory: Any = None,
    output_model: bool = True,
    model_options: Any = None,
    te_model_options: Any = None,
    metadata: Mapping[str, str] | None = None,
) -> tuple[ModelPatcher | None, CLIP | None, autoencoder.VAE | None, None]:
    """As `load_checkpoint_guess_config`, of a checkpoint's tensors."""
    found = bridge.services.get(Runtime).load_checkpoint(GivenTensors(sd, "checkpoint"))
    model = ModelPatcher.of(found.model) if output_model else None
    clip = CLIP(found.text) if output_clip and found.text is not None else None
    return model, clip, autoencoder.VAE(found.vae) if output_vae and found.vae is not None else None, None


def load_diffusion_model(unet_path: str, model_options: Any = None) -> ModelPatcher:
    """The denoising network of a file. Raises CheckpointError where it holds none that is known."""
    return ModelPatcher.of(bridge.services.get(Runtime).load_model(Path(unet_path)))


def load_diffusion_model_state_dict(sd: Mapping[str, Tensor], model_options: Any = None) -> ModelPatcher | None:
    """The denoising network of a file's tensors; None where they are none that is known."""
    try:
        return ModelPatcher.of(bridge.services.get(Runtime).load_model(GivenTensors(sd, "diffusion model")))
    except CheckpointError as error:
        log.warning("%s", error)
        return None


def load_unet(unet_path: str, dtype: Any = None) -> ModelPatcher:
    return load_diffusion_model(unet_path)


def load_unet_state_dict(sd: Mapping[str, Tensor], dtype: Any = None) -> ModelPatcher | None:
    return load_diffusion_model_state_dict(sd)


def load_clip(
    ckpt_paths: Sequence[str],
    embedding_directory: Any = None,
    clip_type: CLIPType = CLIPType.STABLE_DIFFUSION,
    model_options: Any = None,
) -> CLIP:
    """The text encoder of a file, CLIP ViT-L. Raises CheckpointError for others, and for several."""
    _one_encoder(len(ckpt_paths), clip_type)
    return CLIP(bridge.services.get(Runtime).load_text(Path(ckpt_paths[0])))


def load_text_encoder_state_dicts(
    state_dicts: Sequence[Mapping[str, Tensor]] = (),
    embedding_directory: Any = None,
    clip_type: CLIPType = CLIPType.STABLE_DIFFUSION,
    model_options: Any = None,
) -> CLIP:
    """As `load_clip`, of files' tensors."""
    _one_encoder(len(state_dicts), clip_type)
    return CLIP(bridge.services.get(Runtime).load_text(GivenTensors(state_dicts[0], "text encoder")))


def _one_encoder(count: int, kind: CLIPType) -> None:
    if count != 1:
        raise CheckpointError(
            Path(kind.name.lower()), f"wants {count} text encoders", "Use one file, of Stable Diffusion 1.x"
        )


def t5xxl_detect(clip_data: Iterable[Mapping[str, Tensor]]) -> dict[str, Any]:
    """The dtype of a T5 encoder among these tensors; empty where there is none."""
    return _dtype_of(clip_data, "encoder.final_layer_norm.weight", "dtype_t5")


def llama_detect(clip_data: Iterable[Mapping[str, Tensor]]) -> dict[str, Any]:
    """The same of a Llama."""
    return _dtype_of(clip_data, "model.layers.0.self_attn.k_proj.weight", "dtype_llama")


def _dtype_of(parts: Iterable[Mapping[str, Tensor]], mark: str, name: str) -> dict[str, Any]:
    return next(({name: tensors[mark].dtype} for tensors in parts if mark in tensors), {})


class StyleModel:
    """A network that makes of a picture's vectors what is put behind a prompt's."""

    def __init__(self, model: Any, device: str = "cpu") -> None:
        self.model = model

    def get_cond(self, input: Any) -> Tensor:
        """The vectors [1, tokens, width] of what an image encoder gave."""
        vectors: Tensor = self.model(input.last_hidden_state)
        return vectors


def save_checkpoint(
    output_path: str,
    model: ModelPatcher,
    clip: CLIP | None = None,
    vae: Any = None,
    clip_vision: Any = None,
    metadata: Mapping[str, str] | None = None,
    extra_keys: Mapping[str, Tensor] | None = None,
) -> None:
    """Write these parts as one checkpoint, their patches in the weights."""
    vision = clip_vision.get_sd() if clip_vision is not None else None
    with ExitStack() as patched:
        for part in (model.core(), None if clip is None else clip.core()):
            if part is not None:
                patched.enter_context(part.resident.active(part.patches))
        text, pictures = (None if part is None else part.get_sd() for part in (clip, vae))
        tensors = {**model.model.state_dict_for_saving(text, pictures, vision), **(extra_keys or {})}
        whole = {name: plain(tensor.detach()).cpu().contiguous().clone() for name, tensor in tensors.items()}
    import_module("comfy.utils").save_torch_file(whole, output_path, metadata)


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
