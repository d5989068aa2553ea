"""Nodes whose code works on ComfyUI's objects. The numbers are those that ComfyUI 0.3.64 computed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from limner.comfy.borrowed import BORROWED, borrowed
from limner.comfy.object_info import describe
from limner.comfy.shims import Bridge
from limner.comfy.shims.absent import NotAvailable
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.diffusion.runtime import Checkpoint

REFERENCE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "fixtures/nodes/borrowed.json").read_text())
FILES = {"checkpoints": ["sd15_random.safetensors"]}


def module(name: str) -> Any:
    return importlib.import_module(f"comfy_extras.nodes_{name}")


def shown(tensor: Tensor) -> list[float]:
    """Nine values of a tensor."""
    return [round(float(value), 4) for value in tensor.flatten()[:: max(1, tensor.numel() // 9)]]


class Recorder:
    """A model that keeps what a node hangs on it."""

    def __init__(self) -> None:
        self.model = SimpleNamespace(model_config=None)
        self.kept: dict[str, Any] = {}

    def clone(self) -> Recorder:
        return self

    def add_object_patch(self, name: str, value: Any) -> None:
        self.kept[name] = value

    def set_model_sampler_cfg_function(self, function: Any) -> None:
        self.kept["cfg"] = function

    def set_model_denoise_mask_function(self, function: Any) -> None:
        self.kept["mask"] = function


def random(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("node_type", BORROWED)
def test_interface_is_comfyuis(node_type: str) -> None:
    node = next(node for node in borrowed() if node.schema.type == node_type)
    said = describe(node.schema, lambda choices: [*FILES.get(choices.folder, [])])
    expected = {key: value for key, value in REFERENCE[node_type].items() if key != "description"}
    assert {key: value for key, value in said.items() if key in expected} == expected


def test_every_borrowed_class_has_its_method(shims: Bridge) -> None:
    for node in borrowed():
        place = node.schema.module
        real = importlib.import_module(place).NODE_CLASS_MAPPINGS[node.schema.type]
        assert callable(getattr(real(), real.FUNCTION)) and callable(real.execute)
        assert callable(getattr(node.cls(), node.cls.FUNCTION))


@pytest.mark.parametrize(
    ("cls", "arguments", "levels", "at"),
    [
        ("ModelSamplingDiscrete", ("v_prediction", True), [0.0292, 0.3832, 0.654], 2.60919),
        ("ModelSamplingDiscrete", ("lcm", False), [0.1345, 0.3866, 0.6176], None),
        ("ModelSamplingSD3", (3.0,), [0.003, 0.2745, 0.4627], 0.818182),
        ("ModelSamplingFlux", (1.15, 0.5, 1024, 768), [0.0003, 0.2494, 0.4315], 0.799333),
        ("ModelSamplingContinuousEDM", ("edm", 80.0, 0.002), [0.002, 0.0065, 0.0211], 1.15416),
        ("ModelSamplingContinuousV", ("v_prediction", 500.0, 0.03), [0.03, 0.0884, 0.2602], 10.23836),
        ("ModelSamplingAuraFlow", (1.73,), [0.0017, 0.1791, 0.3318], None),
    ],
)
def test_noise_levels(shims: Bridge, cls: str, arguments: Any, levels: list[float], at: float | None) -> None:
    model, node = Recorder(), getattr(module("model_advanced"), cls)()
    getattr(node, node.FUNCTION)(model, *arguments)
    sampling = model.kept["model_sampling"]
    assert shown(sampling.sigmas)[:3] == pytest.approx(levels, abs=1e-4)
    assert at is None or float(sampling.percent_to_sigma(0.4)) == pytest.approx(at, rel=1e-4)


def test_what_a_consistency_model_predicts(shims: Bridge) -> None:
    advanced = module("model_advanced")
    sampling = type("Sampling", (advanced.ModelSamplingDiscreteDistilled, advanced.LCM), {})()
    assert sampling.timestep(torch.tensor([0.3, 5.0, 14.0])).tolist() == [79, 799, 999]
    assert shown(sampling.sigma(torch.tensor([19.0, 500.0, 999.0]))) == pytest.approx([0.1345, 1.6183, 14.6146])
    x, output = random(1, 4, 2, 2, seed=1), random(1, 4, 2, 2, seed=2)
    clean = sampling.calculate_denoised(torch.tensor([3.0]), output, x)
    assert torch.allclose(clean, x - 3 * output, atol=1e-3)  # nearly all of the way, so far from the end


def test_a_network_that_is_preconditioned(shims: Bridge) -> None:
    ms = importlib.import_module("comfy.model_sampling")
    sampling = type("Sampling", (ms.ModelSamplingContinuousEDM, ms.EDM), {})()
    sampling.set_parameters(0.002, 80.0, 0.5)
    sigma, x = torch.tensor([2.0]), torch.ones(1, 4, 2, 2)
    assert float(sampling.calculate_input(sigma, x)[0, 0, 0, 0]) == pytest.approx(1 / 4.25**0.5)
    expected = 0.25 / 4.25 + 2 * 0.5 / 4.25**0.5
    assert float(sampling.calculate_denoised(sigma, x, x)[0, 0, 0, 0]) == pytest.approx(expected)


def test_rescaled_guidance_has_the_prompts_contrast(shims: Bridge) -> None:
    model = Recorder()
    module("model_advanced").RescaleCFG().patch(model, 1.0)
    sigma = torch.tensor([2.0])
    given, cond, uncond = (random(1, 4, 3, 3, seed=seed) for seed in (1, 2, 3))
    args = {"cond": cond, "uncond": uncond, "cond_scale": 7.0, "sigma": sigma, "input": given}
    guided = model.kept["cfg"](args)

    def velocity(noise: Tensor) -> Tensor:
        return (given / 5.0 - (given - noise)) * 5.0**0.5 / 2.0

    assert float(velocity(guided).std()) == pytest.approx(float(velocity(cond).std()), rel=1e-4)


def test_what_is_avoided_acts_at_right_angles(shims: Bridge) -> None:
    x, positive, negative, empty = (random(1, 4, 3, 3, seed=seed) for seed in range(4))
    guided = module("perpneg").perp_neg(x, positive, negative, empty, 1.3, 7.0)
    towards = positive - empty
    moved = guided - empty - 7.0 * towards
    assert float((moved * towards).sum()) == pytest.approx(0.0, abs=1e-3)
    assert float(moved.norm()) > 1


def test_levels_found_by_optimizing(shims: Bridge) -> None:
    scheduler = module("align_your_steps").AlignYourStepsScheduler
    (levels,) = scheduler().get_sigmas("SDXL", 20, 0.5)
    assert shown(levels)[:4] == [0.8621, 0.6917, 0.5551, 0.4592]
    assert scheduler.execute("SVD", 7, 1.0)[0].tolist() == pytest.approx(
        [700.0, 32.1327, 8.8019, 3.318, 1.1647, 0.3571, 0.0683, 0.0], rel=1e-3
    )
    assert len(scheduler.execute("SD1", 10, 0.0)[0]) == 0


def test_a_grey_mask_opens_step_by_step(shims: Bridge) -> None:
    model = Recorder()
    module("differential_diffusion").DifferentialDiffusion.execute(model, 1.0)
    sampling = importlib.import_module("comfy.model_sampling").ModelSamplingDiscrete()
    holder = SimpleNamespace(inner_model=SimpleNamespace(model_sampling=sampling))
    options = {"model": holder, "sigmas": torch.tensor([14.0, 3.0, 1.0, 0.0])}
    mask = torch.linspace(0, 1, 11).reshape(1, 1, 1, 11)
    opened = [int(model.kept["mask"](torch.tensor([s]), mask, options).sum()) for s in (14.0, 3.0, 1.0)]
    assert opened[0] == 1 and opened[0] < opened[1] < opened[2] < 11


def test_small_functions_that_packs_call(shims: Bridge) -> None:
    pasted = module("mask").composite(torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 4, 4), 8, 16)
    assert pasted[0, 0].sum() == 16 and pasted[0, 0, 2:6, 1:5].sum() == 16
    picture = random(1, 2, 12, 12, seed=0)
    blurred = module("sag").gaussian_blur_2d(picture, 9, 1.0)
    assert blurred.shape == picture.shape and blurred.std() < picture.std()
    assert shown(module("stable3d").camera_embeddings(10.0, 30.0)) == [-0.1745, 0.5, 0.866, 1.5708]
    assert shown(module("stable3d").camera_embeddings(-5.0, 120.0)) == [0.0873, 0.866, -0.5, 1.5708]
    assert module("lt").get_noise_mask({"samples": torch.zeros(2, 4, 3, 2, 2)}).shape == (2, 1, 3, 1, 1)
    noise = module("custom_sampler").Noise_RandomNoise(3)
    made = noise.generate_noise({"samples": torch.zeros(2, 4, 4, 4), "batch_index": [0, 2]})
    assert shown(made)[:4] == [-0.0766, 0.574, 0.9979, 0.1295]


def test_keyframes(shims: Bridge) -> None:
    hooks = module("hooks")
    (group,) = hooks.CreateHookKeyframesInterpolated().create_hook_keyframes(0.0, 1.0, "ease_in", 0.1, 0.9, 5)
    told = [(round(float(k.strength), 4), round(float(k.start_percent), 4)) for k in group.keyframes]
    assert told == [(0.0, 0.1), (0.0625, 0.3), (0.25, 0.5), (0.5625, 0.7), (1.0, 0.9)]
    assert [k.guarantee_steps for k in group.keyframes] == [1, 0, 0, 0, 0]


def test_models_between_two(shims: Bridge, small: Checkpoint) -> None:
    one = ModelPatcher.of(small.model)
    other = one.clone()
    key = next(name for name in one.model_state_dict("diffusion_model.") if name.endswith("weight"))
    weight = one.model_state_dict()[key]
    other.add_patches({key: (torch.ones_like(weight),)})
    (mixed,) = module("model_merging").ModelMergeSimple().merge(one, other, 0.25)
    moved = mixed.calculate_weight(mixed.patches[key], weight.clone(), key) - weight
    assert torch.allclose(moved, torch.full_like(weight, 0.75), atol=1e-5)
    (blocks,) = module("model_merging").ModelMergeBlocks().merge(one, other, input=1.0, middle=1.0, out=0.0)
    assert set(blocks.patches) == set(mixed.patches)


def test_guiders_sample_with_three_prompts(shims: Bridge, small: Checkpoint) -> None:
    model = ModelPatcher.of(small.model)
    assert small.text is not None
    prompts = [small.text.encode(text) for text in ("a", "b", "")]
    x, sigmas = torch.randn(1, 4, 8, 8), torch.tensor([2.0, 1.0, 0.0])
    sampler = importlib.import_module("comfy.samplers").sampler_object("euler")
    (dual,) = module("custom_sampler").DualCFGGuider().get_guider(model, *prompts, 3.0, 1.0, "regular")
    single = importlib.import_module("comfy.samplers").CFGGuider(model)
    single.set_conds(prompts[0], prompts[1])
    single.set_cfg(3.0)  # which it is where the second difference counts for nothing
    still = torch.zeros_like(x)
    expected = single.sample(x, still, sampler, sigmas)
    assert torch.allclose(dual.sample(x, still, sampler, sigmas), expected, atol=1e-4)
    (perp,) = module("perpneg").PerpNegGuider.execute(model, *prompts, 3.0, 1.0).result
    assert perp.sample(x, torch.zeros_like(x), sampler, sigmas).shape == x.shape


def test_a_class_that_limner_has_no_code_for_describes_itself_and_says_how_to_have_it(shims: Bridge) -> None:
    nodes = importlib.import_module("nodes")
    cls = importlib.import_module("comfy_extras.nodes_sd3").TripleCLIPLoader
    assert cls.RETURN_TYPES == ("CLIP",) and cls.FUNCTION == "load_clip"
    assert set(cls.INPUT_TYPES()["required"]) == {"clip_name1", "clip_name2", "clip_name3"}
    assert nodes.NODE_CLASS_MAPPINGS["TripleCLIPLoader"] is cls
    with pytest.raises(NotAvailable, match="limner serve --comfyui PATH"):
        cls()


def test_hooks_of_a_text_encoder_change_what_it_encodes_and_go_with_it(shims: Bridge, small: Checkpoint) -> None:
    clip = importlib.import_module("comfy.sd").CLIP(small.text)
    key, weight = next((k, w) for k, w in clip.get_sd().items() if k.endswith("layers.0.mlp.fc1.weight"))
    changed = {key: weight + torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))}
    groups = importlib.import_module("comfy.hooks")
    group = groups.create_hook_model_as_lora(None, changed, 0.0, 1.0)
    (hooked,) = module("hooks").SetClipHooks().apply_hooks(clip, False, True, group)
    plain, moved = (each.encode_from_tokens_scheduled(each.tokenize("a cat"))[0] for each in (clip, hooked))
    assert not torch.allclose(plain[0], moved[0], atol=1e-3)
    assert moved[1]["hooks"] is group and "hooks" not in plain[1]
    assert torch.equal(clip.encode("a cat"), plain[0])
