"""The table of model families. A new family is a module of its own and a row here; rows are tried in this order.

Families without a `build` are recognised so that their files are refused by name.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from limner.diffusion.families.base import Family, Shapes
from limner.diffusion.families.sd1 import SD1

Test = Callable[[Shapes], bool]


def families() -> tuple[Family, ...]:
    """All families, in the order in which files are compared with them."""
    return (
        SD1,
        _refused(
            "lora", "a LoRA (load it with a LoRA node)", _anywhere(".lora_up.", ".lora_A.", ".lora_B.", "hada_w1")
        ),
        _refused("sdxl", "Stable Diffusion XL", _prefixed("conditioner.embedders.")),
        _refused("sd2", "Stable Diffusion 2.x", _prefixed("cond_stage_model.model.")),
        _refused("sd3", "Stable Diffusion 3", _anywhere("joint_blocks.0.")),
        _refused("flux", "Flux", _anywhere("double_blocks.0.img_attn.", "single_transformer_blocks.0.")),
        _refused("wan", "Wan video", _anywhere("blocks.0.cross_attn.norm_k.")),
        _refused("controlnet", "a ControlNet", _prefixed("control_model.", "controlnet_cond_embedding.")),
        _refused("diffusers", "a diffusers UNet", _prefixed("down_blocks.0.", "mid_block.")),
        _refused("clip", "a text encoder", _prefixed("text_model.")),
        _refused("vae", "a VAE (load it with a VAE node)", _prefixed("decoder.conv_in.", "encoder.conv_in.")),
        _refused("unet", "a latent-diffusion model of another layout", _prefixed("model.diffusion_model.")),
    )


def detect(shapes: Shapes, config: Mapping[str, Any]) -> Family | None:
    """The family of a file with these tensors and this configuration; None where no row fits.

    A configuration that names a family decides alone.
    """
    if "family" in config:
        return next((family for family in families() if family.name == config["family"]), None)
    return next((family for family in families() if family.detect(shapes)), None)


def _refused(name: str, title: str, test: Test) -> Family:
    return Family(name, title, test)


def _anywhere(*parts: str) -> Test:
    return lambda shapes: _some(shapes, lambda name: any(part in name for part in parts))


def _prefixed(*prefixes: str) -> Test:
    return lambda shapes: _some(shapes, lambda name: name.startswith(prefixes))


def _some(names: Iterable[str], test: Callable[[str], bool]) -> bool:
    return any(test(name) for name in names)
