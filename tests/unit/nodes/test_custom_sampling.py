"""Sampling put together by links gives what KSampler gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from limner.diffusion.runtime import Runtime
from limner.nodes.library import built_in
from limner.sdk import Cancelled
from limner.sdk.testing import RecordingContext, run_node
from tests.unit.diffusion.conftest import Writer, original_tensors

NODES = {implementation.schema.type: implementation for implementation in built_in()}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = Writer(tmp_path_factory.mktemp("models"), original_tensors())()
    checkpoint = Runtime("cpu", "fp32").load_checkpoint(path)
    assert checkpoint.text is not None
    return {
        "model": checkpoint.model,
        "positive": checkpoint.text.encode("a cat"),
        "negative": checkpoint.text.encode(""),
    }


def result(node: str, context: RecordingContext | None = None, **inputs: Any) -> Any:
    values = run_node(NODES[node], context, **inputs).values
    return values[0] if len(values) == 1 else values


def expected(parts: dict[str, Any], sampler: str, latent: dict[str, Any]) -> torch.Tensor:
    samples = result(
        "KSampler", latent_image=latent, steps=4, seed=7, cfg=3.0, sampler_name=sampler, scheduler="karras", **parts
    )["samples"]
    assert isinstance(samples, torch.Tensor)
    return samples


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "euler_ancestral"])
def test_custom_sampling_is_ksampler(parts: dict[str, Any], sampler: str) -> None:
    latent = {"samples": torch.zeros(2, 4, 8, 8), "batch_index": [0, 1]}
    whole = expected(parts, sampler, latent)
    sigmas = result("BasicScheduler", model=parts["model"], scheduler="karras", steps=4, denoise=1.0)
    solver = result("KSamplerSelect", sampler_name=sampler)

    simple = result("SamplerCustom", noise_seed=7, cfg=3.0, sampler=solver, sigmas=sigmas, latent_image=latent, **parts)
    guider = result("CFGGuider", cfg=3.0, **parts)
    noise = result("RandomNoise", noise_seed=7)
    context = RecordingContext()
    advanced = result(
        "SamplerCustomAdvanced",
        context,
        noise=noise,
        guider=guider,
        sampler=solver,
        sigmas=sigmas,
        latent_image=latent,
    )

    for output, denoised in (simple, advanced):
        assert torch.allclose(output["samples"], whole, rtol=1e-3, atol=1e-3)
        assert torch.allclose(denoised["samples"], output["samples"], rtol=1e-3, atol=1e-3)
        assert output["batch_index"] == [0, 1]
    assert context.reports[-1][:2] == (4, 4)


def test_split_levels_go_on_where_they_ended(parts: dict[str, Any]) -> None:
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    sigmas = result("BasicScheduler", model=parts["model"], scheduler="karras", steps=4, denoise=1.0)
    high, low = result("SplitSigmas", sigmas=sigmas, step=2)
    solver = result("KSamplerSelect", sampler_name="euler")
    guider = result("CFGGuider", cfg=3.0, **parts)
    common = {"guider": guider, "sampler": solver}

    first, early = result(
        "SamplerCustomAdvanced",
        noise=result("RandomNoise", noise_seed=7),
        sigmas=high,
        latent_image=latent,
        **common,
    )
    second, _ = result("SamplerCustomAdvanced", noise=result("DisableNoise"), sigmas=low, latent_image=first, **common)

    assert torch.allclose(second["samples"], expected(parts, "euler", latent), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(early["samples"], first["samples"], atol=0.1)


def test_nothing_to_do_gives_the_latent_back(parts: dict[str, Any]) -> None:
    latent = {"samples": torch.ones(1, 4, 8, 8)}
    output, denoised = result(
        "SamplerCustom",
        sampler=result("KSamplerSelect", sampler_name="euler"),
        sigmas=torch.empty(0),
        latent_image=latent,
        **parts,
    )

    assert torch.equal(output["samples"], latent["samples"])
    assert torch.equal(denoised["samples"], latent["samples"])


def test_without_guidance_one_prompt_is_enough(parts: dict[str, Any]) -> None:
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    sigmas = result("KarrasScheduler", steps=3)
    solver = result("SamplerEulerAncestral", eta=0.0, s_noise=1.0)
    noise = result("RandomNoise", noise_seed=7)
    common = {"noise": noise, "sampler": solver, "sigmas": sigmas, "latent_image": latent}
    guider = result("BasicGuider", model=parts["model"], conditioning=parts["positive"])
    plain = result("CFGGuider", cfg=1.0, **parts)

    one = result("SamplerCustomAdvanced", guider=guider, **common)[0]["samples"]
    both = result("SamplerCustomAdvanced", guider=plain, **common)[0]["samples"]

    assert torch.allclose(one, both, rtol=1e-4, atol=1e-4)


def test_interrupting(parts: dict[str, Any]) -> None:
    context = RecordingContext(cancel_after=1)
    with pytest.raises(Cancelled):
        result(
            "SamplerCustom",
            context,
            sampler=result("KSamplerSelect", sampler_name="euler"),
            sigmas=result("KarrasScheduler", steps=9),
            latent_image={"samples": torch.zeros(1, 4, 8, 8)},
            **parts,
        )
    assert len(context.reports) == 1


def test_an_operation_acts_while_sampling(parts: dict[str, Any]) -> None:
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    operation = result("LatentOperationSharpen", sharpen_radius=2)
    changed = result("LatentApplyOperationCFG", model=parts["model"], operation=operation)
    before = expected(parts, "euler", latent)
    after = expected({**parts, "model": changed}, "euler", latent)

    assert not torch.allclose(before, after, atol=0.1)
    assert torch.equal(before, expected(parts, "euler", latent))
