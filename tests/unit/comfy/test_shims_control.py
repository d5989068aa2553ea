"""ControlNets, image encoders and parts of models, as packs and workflows load them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPVisionModelWithProjection

from limner.comfy.shims import Bridge
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.diffusion.errors import CheckpointError
from limner.diffusion.guidance import Guide
from limner.diffusion.runtime import Checkpoint, Runtime
from tests.unit.diffusion.conftest import UNET, Writer, original_tensors, random_weights

SMALL = {name: UNET[name] for name in ("block_out_channels", "down_block_types", "layers_per_block")}
SMALL |= {"attention_head_dim": 2, "norm_num_groups": 8, "conditioning_embedding_out_channels": (4, 8)}


@pytest.fixture
def control(shims: Bridge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A ControlNet that fits the small model: diffusers' own, put in place of what a file would give."""
    from limner.diffusion.controlnet import ControlNetwork

    module = ControlNetModel(cross_attention_dim=24, **SMALL)
    module.load_state_dict(random_weights(module, 5), strict=False)
    network = ControlNetwork(shims.services.get(Runtime).residency.add("control", module.eval()), torch.float32)
    objects = importlib.import_module("limner.comfy.shims.objects.control")
    # the hint of two widths is of half the size that the usual four make an eighth of
    return objects.ControlNet(objects.ControlModel(network), compression_ratio=2, load_device=torch.device("cpu"))


def denoised(guide: Guide, x: Tensor) -> Tensor:
    with guide.prepare(x) as denoiser:
        return denoiser(x, torch.full((len(x),), 2.0))


def test_a_control_steers_limners_own_sampling_by_its_strength(control: Any, small: Checkpoint) -> None:
    assert small.text is not None
    nodes, prompt, x = importlib.import_module("nodes"), small.text.encode("x"), torch.randn(1, 4, 8, 8)
    picture = torch.rand(1, 16, 16, 3)
    plain = denoised(Guide(small.model, prompt, prompt), x)
    (weak,) = nodes.ControlNetApply().apply_controlnet(prompt, control, picture, 0.1)
    (strong,) = nodes.ControlNetApply().apply_controlnet(prompt, control, picture, 1.0)
    moved = [float((denoised(Guide(small.model, given, prompt), x) - plain).norm()) for given in (weak, strong)]
    assert 0 < moved[0] < moved[1]
    (same,) = nodes.ControlNetApply().apply_controlnet(prompt, control, picture, 0.0)
    assert same is prompt


def test_a_control_rests_outside_of_its_time(control: Any, small: Checkpoint) -> None:
    assert small.text is not None
    nodes, prompt, x = importlib.import_module("nodes"), small.text.encode("x"), torch.randn(1, 4, 8, 8)
    picture = torch.rand(1, 16, 16, 3)
    late, other = nodes.ControlNetApplyAdvanced().apply_controlnet(prompt, prompt, control, picture, 1.0, 0.9, 1.0)
    assert late[0][1]["control"] is other[0][1]["control"]
    plain = denoised(Guide(small.model, prompt, prompt), x)
    assert torch.allclose(denoised(Guide(small.model, late, other), x), plain, atol=1e-4)


def test_controls_add_up_and_packs_may_put_their_own_before(control: Any, small: Checkpoint) -> None:
    module = importlib.import_module("comfy.controlnet")

    class Mine(module.ControlBase):  # type: ignore[misc, name-defined]
        def get_control(self, x_noisy: Tensor, *args: Any) -> Any:
            return {"input": [], "middle": [torch.ones(1, 32, 2, 2)], "output": []}

        def copy(self) -> Any:
            made = Mine()
            self.copy_to(made)
            return made

    second = control.copy().set_cond_hint(torch.rand(1, 3, 16, 16), 1.0).set_previous_controlnet(Mine())
    model = ModelPatcher.of(small.model)
    second.pre_run(model.model, model.model.model_sampling.percent_to_sigma)
    given = {"c_crossattn": torch.randn(1, 77, 24)}
    both = second.get_control(torch.randn(1, 4, 8, 8), torch.tensor([2.0]), given, 1, {})
    alone = second.control_merge({"middle": [both["middle"][0] - 1.0]}, None, None)
    assert torch.allclose(alone["middle"][0] + 1.0, both["middle"][0])
    assert len(both["output"]) == 6 and second.get_models() == [second.control_model_wrapped]
    second.cleanup()
    assert second.cond_hint is None


def test_merging_scales_each_tensor_once_and_by_place(shims: Bridge) -> None:
    module = importlib.import_module("comfy.controlnet")
    control, shared = module.ControlBase(), torch.ones(1, 2, 2, 2)
    control.strength, control.strength_type = 0.5, module.StrengthType.LINEAR_UP
    merged = control.control_merge(
        {"output": [shared, None, torch.ones(1, 2, 2, 2)]},
        {"input": [], "middle": [], "output": [None, shared, shared, shared]},
        torch.float64,
    )
    values = [None if part is None else float(part.flatten()[0]) for part in merged["output"]]
    assert values == [0.125, 1.0, 1.5, 1.0]
    assert float(shared.sum()) == 8  # what was given is not changed


@pytest.mark.parametrize(
    ("size", "batch", "expected"), [(8, 2, [0, 1, 2, 0] * 2), (4, 2, [0, 1] * 2), (3, 1, [0, 1, 2])]
)
def test_pictures_for_a_batch(shims: Bridge, size: int, batch: int, expected: list[int]) -> None:
    spread = importlib.import_module("comfy.controlnet").broadcast_image_to
    assert spread(torch.arange(3.0).view(3, 1, 1, 1), size, batch).flatten().tolist() == expected


def test_a_file_of_another_kind_is_no_control_net(shims: Bridge, tmp_path: Path) -> None:
    save_file({"other": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="holds no ControlNet"):
        importlib.import_module("comfy.controlnet").load_controlnet(str(tmp_path / "x.safetensors"))


VISION = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 1}
VISION |= {"image_size": 28, "patch_size": 14, "projection_dim": 16, "hidden_act": "gelu"}


def openclip(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """An encoder's tensors by OpenCLIP's names."""
    made: dict[str, Tensor] = {"visual.proj": tensors["visual_projection.weight"].T.contiguous()}
    outer = {"embeddings.class_embedding": "class_embedding", "embeddings.patch_embedding.weight": "conv1.weight"}
    outer |= {"embeddings.position_embedding.weight": "positional_embedding"}
    for name, tensor in tensors.items():
        plain = name.removeprefix("vision_model.")
        if plain in outer:
            made[f"visual.{outer[plain]}"] = tensor
        for old, new in (("pre_layrnorm", "ln_pre"), ("post_layernorm", "ln_post")):
            if plain.startswith(old):
                made[f"visual.{plain.replace(old, new)}"] = tensor
    for layer in range(VISION["num_hidden_layers"]):  # type: ignore[arg-type]
        old, new = f"vision_model.encoder.layers.{layer}.", f"visual.transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            parts = [tensors[f"{old}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            made[f"{new}attn.in_proj_{kind}"] = torch.cat(parts)
            names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
            for theirs, ours in (names | {"attn.out_proj": "self_attn.out_proj"}).items():
                made[f"{new}{theirs}.{kind}"] = tensors[f"{old}{ours}.{kind}"]
    return made


def test_image_encoders_of_both_namings(shims: Bridge, tmp_path: Path) -> None:
    module = CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)).eval()
    tensors = {name: tensor for name, tensor in module.state_dict().items() if "position_ids" not in name}
    save_file(tensors, tmp_path / "hf.safetensors")
    save_file(openclip(tensors), tmp_path / "open.safetensors")
    clip_vision, picture = importlib.import_module("comfy.clip_vision"), torch.rand(2, 40, 60, 3)
    found = [
        clip_vision.load(str(tmp_path / name)).encode_image(picture) for name in ("hf.safetensors", "open.safetensors")
    ]
    with torch.no_grad():
        pixels = clip_vision.clip_preprocess(picture, 28)
        expected = module(pixel_values=pixels, output_hidden_states=True)
    for output in found:
        assert torch.allclose(output.image_embeds, expected.image_embeds, atol=1e-5)
        assert torch.allclose(output["penultimate_hidden_states"], expected.hidden_states[-2], atol=1e-5)
        assert output.last_hidden_state.shape == (2, 5, 64)
    assert clip_vision.load_clipvision_from_sd({"other": torch.zeros(1)}) is None


def test_what_an_encoder_sees(shims: Bridge) -> None:
    prepare = importlib.import_module("comfy.clip_vision").clip_preprocess
    picture = torch.zeros(1, 20, 40, 4)
    picture[:, :, 10:30] = 1.0
    middle = prepare(picture, 20, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert middle.shape == (1, 3, 20, 20) and float(middle.min()) == 1.0
    assert float(prepare(picture, 20, (0.0,) * 3, (1.0,) * 3, crop=False).min()) == 0.0


def test_parts_of_files_and_of_tensors(shims: Bridge, tmp_path: Path) -> None:
    path = Writer(tmp_path, original_tensors())()
    sd, runtime = importlib.import_module("comfy.sd"), shims.services.get(Runtime)
    clip = sd.CLIP(runtime.load_text(path))
    assert runtime.load_model(path).family == "sd1"
    vectors = clip.encode("a cat")
    whole = runtime.load_checkpoint(path).text
    assert whole is not None and torch.equal(vectors, whole.encode("a cat")[0][0])
    assert sd.load_diffusion_model_state_dict({"other": torch.zeros(1)}) is None
    with pytest.raises(CheckpointError, match="holds no text encoder"):
        sd.load_text_encoder_state_dicts([{"other": torch.zeros(1)}])
    with pytest.raises(CheckpointError, match="wants 2 text encoders"):
        sd.load_clip(["a", "b"])


def test_a_saved_checkpoint_has_the_patches_in_its_weights(shims: Bridge, small: Checkpoint, tmp_path: Path) -> None:
    sd, model = importlib.import_module("comfy.sd"), ModelPatcher.of(small.model)
    key = next(name for name in model.model_state_dict() if name.endswith("input_blocks.0.0.weight"))
    before = model.model_state_dict()[key].clone()
    model.add_patches({key: (torch.ones_like(before),)}, 0.5)
    clip = sd.CLIP(small.text)
    sd.save_checkpoint(str(tmp_path / "saved.safetensors"), model, clip, metadata={"prompt": "{}"})
    saved = load_file(tmp_path / "saved.safetensors")
    assert torch.allclose(saved[f"model.{key}"], before + 0.5, atol=1e-5)
    assert any(name.startswith("cond_stage_model.") for name in saved)
    assert torch.allclose(model.get_key_patches()[key][0][0], before)  # though the patch is in the network now
