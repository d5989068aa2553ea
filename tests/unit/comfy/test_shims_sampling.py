"""What packs put around a model's blocks, steps and runs acts in every way that the model is sampled with."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from limner.comfy.boundary import from_pack
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.diffusion.guidance import Guide
from limner.diffusion.model import Model
from limner.diffusion.runtime import Checkpoint
from limner.diffusion.sampling import sample

NOISE = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
WIDTH = 24
"""Of the small model's text vectors."""
Change = Callable[[ModelPatcher], object]


def by_limner(model: Model, positive: Any, negative: Any, cfg: float = 3.0, mask: Any = None) -> torch.Tensor:
    """As a built-in node samples."""
    latent = torch.zeros_like(NOISE)
    with Guide(model, positive, negative, cfg).prepare(NOISE, model.scale_in(latent), mask) as denoiser:
        return sample(
            denoiser,
            model.parameterization,
            latent,
            NOISE,
            sampler_name="euler",
            scheduler_name="normal",
            steps=2,
            seed=3,
            noise_mask=mask,
            scale_in=model.scale_in,
            scale_out=model.scale_out,
        )


def by_pack(patcher: Any, positive: Any, negative: Any, cfg: float = 3.0) -> torch.Tensor:
    """As a pack samples."""
    module = importlib.import_module("comfy.sample")
    latent = torch.zeros_like(NOISE)
    sampled: torch.Tensor = module.sample(patcher, NOISE, 2, cfg, "euler", "normal", positive, negative, latent, seed=3)
    return sampled


def prompts(small: Checkpoint) -> tuple[Any, Any]:
    assert small.text is not None
    return small.text.encode("a red apple"), small.text.encode("blurry")


def changed(small: Checkpoint, change: Change) -> torch.Tensor:
    """The result with a change, the same either way; sampling without it afterwards gives what it gave before."""
    positive, negative = prompts(small)
    plain = by_limner(small.model, positive, negative)
    patcher = ModelPatcher.of(small.model)
    change(patcher)
    result = by_limner(from_pack(patcher), positive, negative)
    assert torch.allclose(by_pack(patcher, positive, negative), result, atol=1e-5)
    assert torch.equal(by_limner(small.model, positive, negative), plain)
    return result


def unchanged(small: Checkpoint) -> torch.Tensor:
    return by_limner(small.model, *prompts(small))


def test_without_patches_the_network_computes_the_same_to_the_bit(small: Checkpoint) -> None:
    network, face = small.model.resident.module, ModelPatcher.of(small.model).model.diffusion_model
    x, steps, text = torch.randn(2, 4, 8, 8), torch.tensor([500, 20]), torch.randn(2, 77, WIDTH)
    with torch.no_grad():
        expected = network(x, steps, encoder_hidden_states=text, return_dict=False)[0]  # type: ignore[operator]
        assert torch.equal(face(x, steps, text), expected)


def test_odd_sizes_go_through_the_blocks(small: Checkpoint) -> None:
    network, face = small.model.resident.module, ModelPatcher.of(small.model).model.diffusion_model
    x, steps, text = torch.randn(1, 4, 9, 11), torch.tensor([500]), torch.randn(1, 77, WIDTH)
    with torch.no_grad():
        expected = network(x, steps, encoder_hidden_states=text, return_dict=False)[0]  # type: ignore[operator]
        assert torch.equal(face(x, steps, text), expected)


def test_functions_around_blocks_are_called_in_the_order_of_the_original_layout(small: Checkpoint) -> None:
    face = ModelPatcher.of(small.model).model.diffusion_model
    told: list[Any] = []

    def note(kind: str) -> Callable[..., Any]:
        def patch(*args: Any) -> Any:
            told.append((kind, args[-1].get("block"), args[-1]["original_shape"]))
            return args[0] if len(args) < 3 or kind == "emb" else args[:2]

        return patch

    kinds = ("input_block_patch", "input_block_patch_after_skip", "output_block_patch")
    patches: dict[str, list[Any]] = {kind: [note(kind)] for kind in kinds} | {"emb_patch": [note("emb")]}
    with torch.no_grad():
        face(torch.randn(1, 4, 8, 8), torch.tensor([5]), torch.randn(1, 77, WIDTH), None, None, {"patches": patches})
    down, up = len(face.input_blocks), len(face.output_blocks)
    expected: list[Any] = [("emb", None)]
    expected += [(kind, ("input", number)) for number in range(down) for kind in kinds[:2]]
    expected += [("output_block_patch", ("output", number)) for number in range(up)]
    assert [entry[:2] for entry in told] == expected
    assert all(shape == [1, 4, 8, 8] for _kind, _block, shape in told)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda p: p.set_model_input_block_patch(lambda h, options: h * 1.1), id="input"),
        pytest.param(lambda p: p.set_model_input_block_patch_after_skip(lambda h, options: h * 1.1), id="after skip"),
        pytest.param(lambda p: p.set_model_output_block_patch(lambda h, skip, options: (h, skip * 0.5)), id="output"),
        pytest.param(lambda p: p.set_model_emb_patch(lambda emb, channels, options: emb * 2), id="time"),
        pytest.param(lambda p: p.set_model_patch(lambda x, options: x + 0.5, "middle_patch"), id="between attention"),
        pytest.param(lambda p: p.set_model_attn1_output_patch(lambda n, options: n * 2), id="attention"),
        pytest.param(
            lambda p: p.model_options["transformer_options"].update(
                optimized_attention_override=lambda attend, *args, **kwargs: 2 * attend(*args, **kwargs)
            ),
            id="attention itself",
        ),
        pytest.param(
            lambda p: p.set_model_sampler_pre_cfg_function(lambda a: [2 * o for o in a["conds_out"]]), id="pre"
        ),
        pytest.param(lambda p: p.set_model_sampler_post_cfg_function(lambda a: 2 * a["denoised"]), id="after"),
        pytest.param(
            lambda p: p.set_model_unet_function_wrapper(lambda run, a: 2 * run(a["input"], a["timestep"], **a["c"])),
            id="network",
        ),
        pytest.param(lambda p: p.add_object_patch("diffusion_model.out.1", torch.nn.ReLU()), id="object"),
    ],
)
def test_a_patch_acts_in_a_packs_sampling_and_in_a_built_in_nodes(small: Checkpoint, change: Change) -> None:
    assert not torch.allclose(changed(small, change), unchanged(small), atol=1e-3)


def test_a_patch_that_changes_sizes_on_the_way_down_and_back_up(small: Checkpoint) -> None:
    sizes: list[int] = []

    def down(h: Any, options: Any) -> Any:
        return torch.nn.functional.interpolate(h, scale_factor=0.5) if options["block"] == ("input", 1) else h

    def up(h: Any, skip: Any, options: Any) -> Any:
        sizes.append(h.shape[-1])
        return (h if h.shape == skip.shape else torch.nn.functional.interpolate(h, size=skip.shape[2:])), skip

    def change(patcher: ModelPatcher) -> None:
        patcher.set_model_input_block_patch_after_skip(down)
        patcher.set_model_output_block_patch(up)

    assert not torch.allclose(changed(small, change), unchanged(small), atol=1e-3)
    assert min(sizes) < 8


def test_guidance_that_predicts_again_with_other_patches(small: Checkpoint) -> None:
    """As perturbed attention does: self-attention of the middle block gives its values as they are."""
    samplers = importlib.import_module("comfy.samplers")
    options_of = importlib.import_module("comfy.model_patcher")
    blocks: list[Any] = []

    def values(q: Any, k: Any, v: Any, extra: Any) -> Any:
        blocks.append((extra["block"], extra["cond_or_uncond"]))
        return v

    def away(args: Any) -> Any:
        options = options_of.create_model_options_clone(args["model_options"])
        options_of.set_model_options_patch_replace(options, values, "attn1", "middle", 0)
        (weak,) = samplers.calc_cond_batch(args["model"], [args["cond"]], args["input"], args["sigma"], options)
        return args["denoised"] + 5 * (args["cond_denoised"] - weak)

    result = changed(small, lambda patcher: patcher.set_model_sampler_post_cfg_function(away))
    assert blocks and set(map(str, blocks)) == {str((("middle", 0), [0]))}
    assert not torch.allclose(result, unchanged(small), atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "calls", "holder", "arguments"),
    [
        ("OUTER_SAMPLE", 1, "CFGGuider", 8),
        ("SAMPLER_SAMPLE", 1, "KSAMPLER", 8),
        ("PREDICT_NOISE", 2, "CFGGuider", 4),
        ("CALC_COND_BATCH", 2, "NoneType", 5),
        ("APPLY_MODEL", 2, "BaseModel", 6),
        ("DIFFUSION_MODEL", 2, "UNetModel", 6),
        ("PREPARE_SAMPLING", 1, "NoneType", 3),
    ],
)
def test_wrappers_of_every_kind(small: Checkpoint, kind: str, calls: int, holder: str, arguments: int) -> None:
    extension = importlib.import_module("comfy.patcher_extension")
    told: list[Any] = []

    def wrapper(executor: Any, *args: Any, **kwargs: Any) -> Any:
        told.append((type(executor.class_obj).__name__, len(args)))
        given = executor(*args, **kwargs)
        return given * 2 if isinstance(given, torch.Tensor) else given

    def change(patcher: ModelPatcher) -> None:
        patcher.add_wrapper_with_key(getattr(extension.WrappersMP, kind), "test", wrapper)

    result = changed(small, change)
    assert told == [(holder, arguments)] * (2 * calls)
    doubled = kind not in ("CALC_COND_BATCH", "PREPARE_SAMPLING")
    assert torch.allclose(result, unchanged(small), atol=1e-4) is not doubled


def test_a_models_life_is_told_in_order(small: Checkpoint) -> None:
    extension = importlib.import_module("comfy.patcher_extension")
    told: list[str] = []

    def change(patcher: ModelPatcher) -> None:
        for name in ("ON_PRE_RUN", "ON_PREPARE_STATE", "ON_CLEANUP"):
            kind = getattr(extension.CallbacksMP, name)
            patcher.add_callback(kind, lambda *args, name=name: told.append(name))
        injection = extension.PatcherInjection(lambda p: told.append("in"), lambda p: told.append("out"))
        patcher.set_injections("test", [injection])

    changed(small, change)
    assert told == ["in", "ON_PRE_RUN", "ON_PREPARE_STATE", "ON_PREPARE_STATE", "ON_CLEANUP", "out"] * 2


def lora_of(patcher: ModelPatcher) -> tuple[str, dict[str, torch.Tensor]]:
    """The name of a weight, and a LoRA that changes it."""
    weights = patcher.model_state_dict()
    name = next(key for key in weights if key.endswith("attn2.to_v.weight"))
    out, width = weights[name].shape
    stem = "lora_unet_" + name.removeprefix("diffusion_model.").removesuffix(".weight").replace(".", "_")
    draw = torch.Generator().manual_seed(7)
    up, down = torch.randn(out, 4, generator=draw), torch.randn(4, width, generator=draw)
    return name, {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down, f"{stem}.alpha": torch.tensor(4.0)}


def test_a_lora_on_one_prompt_changes_that_prompts_predictions_alone(small: Checkpoint) -> None:
    hooks, sd = importlib.import_module("comfy.hooks"), importlib.import_module("comfy.sd")
    samplers = importlib.import_module("comfy.samplers")
    positive, negative = prompts(small)
    patcher = ModelPatcher.of(small.model)
    _name, lora = lora_of(patcher)
    hooked = hooks.set_hooks_for_conditioning(positive, hooks.create_hook_lora(lora, 0.8, 0.8))
    whole, _ = sd.load_lora_for_models(patcher, None, lora, 0.8, 0.8)
    predicted: list[Any] = []

    def note(args: Any) -> Any:
        predicted.append((args["cond_denoised"].clone(), args["uncond_denoised"].clone()))
        return args["denoised"]

    for model, prompt in ((patcher, hooked), (whole, positive), (patcher, positive)):
        noted = model.clone()
        noted.set_model_sampler_post_cfg_function(note)
        guider = samplers.CFGGuider(noted)
        guider.set_conds(prompt, negative)
        guider.set_cfg(2.0)
        sigmas = torch.tensor([4.0, 0.0])
        guider.sample(NOISE, torch.zeros_like(NOISE), samplers.sampler_object("euler"), sigmas, seed=1)
    (on_one, on_all, on_none) = predicted
    assert torch.allclose(on_one[0], on_all[0], atol=1e-4) and not torch.allclose(on_one[0], on_none[0], atol=1e-3)
    assert torch.allclose(on_one[1], on_none[1], atol=1e-4) and not torch.allclose(on_one[1], on_all[1], atol=1e-3)


def test_a_prompt_for_what_is_left_of_others(small: Checkpoint) -> None:
    positive, negative = prompts(small)
    mask = torch.zeros(1, 8, 8)
    mask[:, :, :4] = 1
    (vectors, options), (others, other) = positive[0], negative[0]
    filled = [[vectors, {**options, "mask": mask}], [others, {**other, "default": True}]]
    beside = [[vectors, {**options, "mask": mask}], [others, {**other, "mask": 1 - mask}]]
    patcher = ModelPatcher.of(small.model)
    assert torch.allclose(by_pack(patcher, filled, negative), by_pack(patcher, beside, negative), atol=1e-5)


def test_masks_are_kept_where_a_packs_model_is_sampled_by_a_node(small: Checkpoint) -> None:
    patcher = ModelPatcher.of(small.model)
    patcher.set_model_sampler_post_cfg_function(lambda args: args["denoised"])
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    model, (positive, negative) = from_pack(patcher), prompts(small)
    expected = by_limner(small.model, positive, negative, mask=mask)
    assert torch.allclose(by_limner(model, positive, negative, mask=mask), expected, atol=1e-4)
    assert torch.allclose(expected[..., 4:], torch.zeros(1), atol=1e-4)


def test_schedulers_and_solvers_that_packs_add_are_found_by_name(small: Checkpoint) -> None:
    samplers, functions = (
        importlib.import_module("comfy.samplers"),
        importlib.import_module("comfy.k_diffusion.sampling"),
    )
    samplers.SCHEDULER_HANDLERS["flat"] = samplers.SchedulerHandler(lambda sampling, steps: torch.full((steps,), 2.0))
    ends = samplers.SchedulerHandler(lambda n, sigma_min, sigma_max: torch.tensor([sigma_max, sigma_min]), use_ms=False)
    samplers.SCHEDULER_HANDLERS["ends"] = ends
    functions.sample_same = lambda model, x, sigmas, extra_args=None, callback=None, disable=None: x
    levels = ModelPatcher.of(small.model).get_model_object("model_sampling")
    assert samplers.calculate_sigmas(levels, "flat", 3).tolist() == [2.0, 2.0, 2.0]
    assert samplers.calculate_sigmas(levels, "ends", 3).tolist() == [float(levels.sigma_max), float(levels.sigma_min)]
    assert samplers.sampler_object("same").sampler_function is functions.sample_same
    with pytest.raises(ValueError, match="unknown scheduler 'none'"):
        samplers.calculate_sigmas(levels, "none", 3)
