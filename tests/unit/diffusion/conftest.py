"""A Stable Diffusion 1.x checkpoint of a few hundred kilobytes with random weights, written in the original layout."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

UNET: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [16, 32, 32],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "cross_attention_dim": 24,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
    "sample_size": 8,
}
VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": [8, 8, 16, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "scaling_factor": 0.5,
}
TEXT: dict[str, Any] = {
    "vocab_size": 1000,
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
}
CONFIG: dict[str, Any] = {"family": "sd1", "unet": UNET, "vae": VAE, "text": TEXT}

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
OUTER = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def original_unet_name(name: str, config: dict[str, Any]) -> str:
    """The original name of a diffusers UNet parameter."""
    layers = config["layers_per_block"]
    for new, old in OUTER.items():
        if name.startswith(new + "."):
            return old + name.removeprefix(new)
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", name):
        kind, number, rest = match[1], int(match[2]), match[3]
        return f"middle_block.1.{rest}" if kind == "attentions" else f"middle_block.{number * 2}.{_resnet(rest)}"
    match = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name)
    assert match, name
    side, level, kind, layer, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if kind == "downsamplers":
        return f"input_blocks.{(level + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        place = 2 if "CrossAttn" in config["up_block_types"][level] else 1
        return f"output_blocks.{level * (layers + 1) + layers}.{place}.{rest}"
    block = f"input_blocks.{level * (layers + 1) + layer + 1}" if side == "down" else ""
    block = block or f"output_blocks.{level * (layers + 1) + layer}"
    return f"{block}.1.{rest}" if kind == "attentions" else f"{block}.0.{_resnet(rest)}"


def original_vae_name(name: str, levels: int) -> str:
    """The original name of a diffusers VAE parameter."""
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    if "mid_block.attentions.0." in name:
        head, _, rest = name.partition("mid_block.attentions.0.")
        new = next(key for key in ATTENTION if rest.startswith(key + "."))
        return f"{head}mid.attn_1.{ATTENTION[new]}{rest.removeprefix(new)}"
    name = name.replace("down_blocks.", "down.").replace(".resnets.", ".block.")
    name = re.sub(r"up_blocks\.(\d)", lambda m: f"up.{levels - 1 - int(m[1])}", name)
    return name.replace("downsamplers.0", "downsample").replace("upsamplers.0", "upsample")


def _resnet(rest: str) -> str:
    part, _, last = rest.partition(".")
    return f"{RESNET[part]}.{last}"


def random_weights(module: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Weights that keep values near unit scale, the same each time."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            weights[name] = noise * noise[0].numel() ** -0.5
        else:
            weights[name] = 0.1 * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
    return weights


def original_tensors() -> dict[str, torch.Tensor]:
    """The tiny checkpoint's tensors, in the original layout's names, float16."""
    from limner.diffusion.families import networks

    tensors = {}
    for name, tensor in random_weights(networks.unet(UNET), 1).items():
        tensors["model.diffusion_model." + original_unet_name(name, UNET)] = tensor
    for name, tensor in random_weights(networks.autoencoder_kl(VAE), 2).items():
        attention = ".mid_block.attentions.0." in name and tensor.ndim == 2
        value = tensor[:, :, None, None] if attention else tensor  # the original holds 1x1 convolutions there
        tensors["first_stage_model." + original_vae_name(name, 4)] = value
    for name, tensor in random_weights(
        networks.clip_text({**TEXT, "bos_token_id": 998, "eos_token_id": 999}), 3
    ).items():
        tensors["cond_stage_model.transformer.text_model." + name.removeprefix("text_model.")] = tensor
    tensors["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    return {name: t.half().contiguous() if t.is_floating_point() else t for name, t in tensors.items()}


@dataclass
class Writer:
    """Writes variants of the tiny checkpoint."""

    folder: Path
    tensors: dict[str, torch.Tensor]
    written: list[Path] = field(default_factory=list)

    def __call__(
        self,
        name: str = "tiny.safetensors",
        change: Callable[[dict[str, torch.Tensor]], None] | None = None,
        config: Any = CONFIG,
    ) -> Path:
        """Write the tensors, after `change`, with `config` in the header (text as it is, None for no header)."""
        tensors = dict(self.tensors)
        if change:
            change(tensors)
        text = config if isinstance(config, str) or config is None else json.dumps(config)
        path = self.folder / name
        save_file(tensors, path, metadata=None if text is None else {"limner.config": text})
        return path


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Networks this small lose more to waking threads than they gain by them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_tensors() -> dict[str, torch.Tensor]:
    """The tensors of the tiny checkpoint."""
    return original_tensors()


@pytest.fixture
def write(tmp_path: Path, tiny_tensors: dict[str, torch.Tensor]) -> Writer:
    """Writes variants of the tiny checkpoint into this test's folder."""
    return Writer(tmp_path, tiny_tensors)


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory, tiny_tensors: dict[str, torch.Tensor]) -> Path:
    """The tiny checkpoint."""
    return Writer(tmp_path_factory.mktemp("models"), tiny_tensors)()


@pytest.fixture
def runtime() -> Any:
    """A runtime on the CPU in float32."""
    from limner.diffusion.runtime import Runtime

    return Runtime("cpu", "fp32")


@pytest.fixture
def tiny(runtime: Any, tiny_path: Path) -> Any:
    """The tiny checkpoint, loaded."""
    return runtime.load_checkpoint(tiny_path)
