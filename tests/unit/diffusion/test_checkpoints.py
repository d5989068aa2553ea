"""Checkpoints: families recognised, parts built, everything else refused with a remedy."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from limner.diffusion.errors import CheckpointError
from tests.unit.diffusion.conftest import CONFIG, VAE, Writer, random_weights

OUT = "model.diffusion_model.out.2.weight"
Change = Callable[[dict[str, torch.Tensor]], Any]


def drop(prefix: str) -> Change:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if name.startswith(prefix)]:
            del tensors[name]

    return change


def test_all_parts_are_built(tiny: Any) -> None:
    assert tiny.family == "sd1"
    assert tiny.unused == ()
    assert tiny.model.latent.scale == 0.5
    assert tiny.vae.downscale == 8
    assert tiny.text.tokenizer.vocabulary == 1000


def test_parameters_take_the_precision(runtime: Any, tiny: Any, tiny_tensors: dict[str, torch.Tensor]) -> None:
    weight = tiny.model.resident.module.get_parameter(
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    )
    assert weight.dtype is torch.float32
    original = tiny_tensors["model.diffusion_model.input_blocks.3.1.transformer_blocks.0.attn2.to_k.weight"]
    assert torch.equal(weight, original.float())
    assert not weight.requires_grad


def test_unused_tensors_are_told(runtime: Any, write: Writer) -> None:
    path = write(change=lambda tensors: tensors.update(extra=torch.ones(2)))
    assert runtime.load_checkpoint(path).unused == ("extra",)


@pytest.mark.parametrize(("prefix", "missing"), [("cond_stage_model.", "text"), ("first_stage_model.", "vae")])
def test_a_part_that_the_file_lacks_is_none(runtime: Any, write: Writer, prefix: str, missing: str) -> None:
    checkpoint = runtime.load_checkpoint(write(change=drop(prefix)))
    assert getattr(checkpoint, missing) is None
    assert checkpoint.model is not None


def test_old_text_encoder_names_are_understood(runtime: Any, write: Writer, tiny: Any) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if ".text_model." in name]:
            tensors[name.replace(".text_model.", ".")] = tensors.pop(name)

    text = runtime.load_checkpoint(write(change=change)).text
    assert torch.equal(text.encode("a")[0][0], tiny.text.encode("a")[0][0])


def replaced(name: str, tensor: torch.Tensor) -> Change:
    return lambda tensors: tensors.__setitem__(name, tensor)


@pytest.mark.parametrize(
    ("change", "config", "said"),
    [
        (
            drop("model.diffusion_model.middle_block.1.norm"),
            CONFIG,
            "lacks tensors of the UNet: mid_block.attentions.0",
        ),
        (drop("cond_stage_model.transformer.text_model.final"), CONFIG, "lacks tensors of the text encoder"),
        (drop("first_stage_model.encoder.conv_in"), CONFIG, "lacks tensors of the VAE: encoder.conv_in"),
        (drop("model."), CONFIG, "holds no diffusion model, only a text encoder and a VAE"),
        (replaced(OUT, torch.ones(4, 8, 3, 3)), CONFIG, r"is \[4, 8, 3, 3\], not"),
        (
            lambda tensors: tensors.update({OUT: tensors[OUT].view(torch.int16)}),
            CONFIG,
            "holds whole numbers, not floating-point weights",
        ),
        (None, "{", "is no JSON"),
        (None, "[1]", "is no table"),
        (None, {**CONFIG, "family": "sd9"}, "model family 'sd9' that is not known"),
        (None, {**CONFIG, "unet": 5}, "'unet' is no table"),
        (None, {**CONFIG, "unet": {"nonsense": 1}}, "configuration"),
        (None, {**CONFIG, "unet": {**CONFIG["unet"], "down_block_types": ["Nope"] * 3}}, "configuration"),
        (None, {**CONFIG, "latent_rgb_factors": [[1, 2]]}, "4 rows of 3"),
        (None, {**CONFIG, "latent_rgb_factors": "red"}, "no table of numbers"),
    ],
)
def test_unusable_checkpoints_are_refused(
    runtime: Any, write: Writer, change: Change | None, config: Any, said: str
) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        runtime.load_checkpoint(write(change=change, config=config))
    assert "tiny.safetensors" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": (4, 4)}, "is a LoRA"),
        ({"conditioner.embedders.0.a": (1,), "model.diffusion_model.a": (1,)}, "Stable Diffusion XL"),
        ({"cond_stage_model.model.ln_final.weight": (1,), "model.diffusion_model.a": (1,)}, "Stable Diffusion 2.x"),
        ({"double_blocks.0.img_attn.qkv.weight": (1,)}, "Flux"),
        ({"decoder.conv_in.weight": (1,)}, "is a VAE"),
        ({"something.else": (1,)}, "not known"),
        ({}, "holds no tensors"),
    ],
)
def test_other_files_are_named(runtime: Any, tmp_path: Any, names: dict[str, tuple[int, ...]], said: str) -> None:
    path = tmp_path / "other.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in names.items()}, path)
    with pytest.raises(CheckpointError, match=said):
        runtime.load_checkpoint(path)


def vae_file(write: Writer, rename: Callable[[str], str]) -> Any:
    tensors = {rename(n): t for n, t in write.tensors.items() if n.startswith("first_stage_model.")}
    path = write.folder / "vae.safetensors"
    save_file(tensors, path, metadata={"limner.config": json.dumps({"vae": VAE})})
    return path


def test_a_vae_is_read_from_any_file_that_has_one(runtime: Any, write: Writer, tiny: Any, tiny_path: Any) -> None:
    from limner.diffusion.families import networks

    latent = torch.randn(1, 4, 2, 3)
    expected = tiny.vae.decode(latent)
    own = vae_file(write, lambda name: name.removeprefix("first_stage_model."))
    assert torch.equal(runtime.load_vae(own).decode(latent), expected)
    assert torch.equal(runtime.load_vae(tiny_path).decode(latent), expected)
    weights = {n: t.half() for n, t in random_weights(networks.autoencoder_kl(VAE), 2).items()}
    diffusers = write.folder / "diffusers.safetensors"
    save_file(weights, diffusers, metadata={"limner.config": json.dumps({"vae": VAE})})
    assert torch.equal(runtime.load_vae(diffusers).decode(latent), expected)


def test_a_file_without_a_vae_is_refused(runtime: Any, write: Writer) -> None:
    with pytest.raises(CheckpointError, match="holds no VAE"):
        runtime.load_vae(write(change=drop("first_stage_model.")))


def test_a_pickled_checkpoint_is_read_where_it_is_allowed(tmp_path: Any, write: Writer) -> None:
    from limner.diffusion.runtime import Runtime

    path = tmp_path / "old.ckpt"
    torch.save({"state_dict": write.tensors}, path)
    with pytest.raises(CheckpointError, match="pickle"):
        Runtime("cpu").load_checkpoint(path)
    # It has no header to carry a configuration, and its sizes are not SD 1.x's.
    with pytest.raises(CheckpointError, match="of another layout"):
        Runtime("cpu", allow_pickle=True).load_checkpoint(path)
