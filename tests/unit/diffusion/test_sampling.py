import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from limner.diffusion.parameterization import DiscreteSigmas
from limner.diffusion.samplers import SAMPLERS, sampler
from limner.diffusion.sampling import cut_sigmas, fit_mask, sample, sample_sigmas, sampling_sigmas
from limner.diffusion.schedules import schedule
from tests.unit.diffusion.analytic import SHAPE, Gaussian, Plain, noise, parameterizations

MODELS = parameterizations()
EPS = MODELS["eps"]
SPACE = EPS.space
LATENT = torch.randn(SHAPE, generator=torch.Generator().manual_seed(5))


def run(denoiser: Any = None, latent: Tensor = LATENT, kind: str = "eps", **options: Any) -> Tensor:
    names = {"sampler_name": "euler", "scheduler_name": "karras", "steps": 6}
    added = options.pop("noise", noise())
    return sample(denoiser or Gaussian(), MODELS[kind], latent, added, **{**names, **options})


class Interrupted(Exception):
    pass


def test_full_strength_takes_the_schedule_as_it_is() -> None:
    assert torch.equal(sampling_sigmas(SPACE, "euler", "karras", 6), schedule("karras", SPACE, 6))
    assert torch.equal(sampling_sigmas(SPACE, "euler", "karras", 6, 0.99995), schedule("karras", SPACE, 6))


def test_lower_strength_takes_the_tail_of_a_longer_schedule() -> None:
    assert torch.equal(sampling_sigmas(SPACE, "euler", "karras", 6, 0.55), schedule("karras", SPACE, 10)[-7:])
    assert len(sampling_sigmas(SPACE, "euler", "karras", 6, 0.0)) == 0


@pytest.mark.parametrize("name", ["dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"])
def test_some_samplers_leave_out_the_last_level_but_zero(name: str) -> None:
    longer = schedule("normal", SPACE, 7)
    assert torch.equal(sampling_sigmas(SPACE, name, "normal", 6), longer[[0, 1, 2, 3, 4, 5, 7]])


def test_only_those_samplers_do() -> None:
    assert [name for name in SAMPLERS if SAMPLERS[name].discard_penultimate] == [
        "dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2",
    ]  # fmt: skip


def test_cutting_a_stretch() -> None:
    sigmas = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    assert cut_sigmas(sigmas, 1, 3).tolist() == [4.0, 3.0, 2.0]
    assert cut_sigmas(sigmas, 1, 3, force_full_denoise=True).tolist() == [4.0, 3.0, 0.0]
    assert cut_sigmas(sigmas, 2, 10_000).tolist() == [3.0, 2.0, 1.0, 0.0]
    assert cut_sigmas(sigmas, 5, 10_000).tolist() == []
    assert cut_sigmas(sigmas, 0, 0).tolist() == []
    assert sigmas[-1] == 0 and sigmas[3] == 2


def test_two_stretches_are_one_run() -> None:
    whole = run()
    first = run(start_step=0, last_step=3)
    assert not torch.allclose(first, whole)
    torch.testing.assert_close(run(latent=first, noise=None, start_step=3, last_step=10_000), whole)


@pytest.mark.parametrize("options", [{"denoise": 0.0}, {"start_step": 6}, {"start_step": 4, "last_step": 2}])
def test_with_nothing_to_do_the_latent_comes_back_as_it_was(options: dict[str, Any]) -> None:
    denoiser = Gaussian()
    assert torch.equal(run(denoiser, **options), LATENT)
    assert denoiser.calls == 0


def test_starting_at_the_highest_level_uses_the_deviation_of_a_noised_latent() -> None:
    full, partial = Gaussian(), Gaussian()
    empty = torch.zeros(SHAPE)
    run(full, empty)
    sigma = float(schedule("karras", SPACE, 6)[0])
    torch.testing.assert_close(full.seen[0], noise() * math.sqrt(1 + sigma**2))
    run(partial, empty, denoise=0.5)
    torch.testing.assert_close(partial.seen[0], noise() * schedule("karras", SPACE, 12)[6])


def test_an_empty_latent_is_not_scaled_in() -> None:
    scaled: list[Tensor] = []

    def scale_in(latent: Tensor) -> Tensor:
        scaled.append(latent)
        return latent * 0.5 - 1

    first = Gaussian()
    run(first, torch.zeros(SHAPE), scale_in=scale_in, denoise=0.5)
    assert scaled == []
    run(Gaussian(), LATENT, scale_in=scale_in, denoise=0.5)
    assert len(scaled) == 1


def test_the_result_is_scaled_out_as_float32() -> None:
    plain = run()
    torch.testing.assert_close(run(scale_out=lambda x: x * 2 + 1), plain * 2 + 1)
    assert run(latent=LATENT.half(), noise=noise().half()).dtype == torch.float32


def test_noise_of_another_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match="noise of shape"):
        run(noise=noise()[:1])


def test_progress_counts_to_the_number_of_steps() -> None:
    told: list[tuple[int, int]] = []
    run(callback=lambda step, denoised, x, total: told.append((step, total)))
    assert told == [(step, 6) for step in range(6)]


def test_progress_of_an_adaptive_solver_stays_within_the_total() -> None:
    told: list[tuple[int, int]] = []
    run(sampler_name="dpm_adaptive", callback=lambda step, denoised, x, total: told.append((step, total)))
    assert max(told) == (5, 6)


@pytest.mark.parametrize("name", SAMPLERS)
def test_cancelling_stops_before_the_next_model_call(name: str) -> None:
    denoiser, asked = Gaussian(), 0

    def cancelled() -> None:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(denoiser, sampler_name=name, noise_mask=torch.ones(1, 8, 8), cancelled=cancelled)
    assert denoiser.calls == 2


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("kind", ["eps", "flow3"])
def test_every_sampler_keeps_what_the_mask_keeps(name: str, kind: str) -> None:
    mask = torch.zeros(1, 8, 8)
    mask[:, :, 4:] = 1
    result = run(kind=kind, sampler_name=name, noise_mask=mask, steps=12)
    moved = (result - LATENT).abs()
    if name not in ("dpm_fast", "dpm_adaptive"):  # these end above 0, with a little noise left
        assert float(moved[..., :4].max()) < 0.05
    assert float(moved[..., 4:].mean()) > 10 * float(moved[..., :4].mean())


def test_the_model_sees_the_original_noised_to_its_level_where_it_is_kept() -> None:
    denoiser = Gaussian()
    run(denoiser, noise_mask=torch.zeros(1, 8, 8), denoise=0.5)
    for seen, sigma in zip(denoiser.seen, schedule("karras", SPACE, 12)[6:], strict=False):
        torch.testing.assert_close(seen, LATENT + noise() * sigma)


def test_ddim_noises_what_it_keeps_with_noise_of_its_own() -> None:
    denoiser = Gaussian()
    run(denoiser, sampler_name="ddim", noise_mask=torch.zeros(1, 8, 8), denoise=0.5, seed=11)
    own = torch.randn(SHAPE, generator=torch.Generator().manual_seed(12))
    torch.testing.assert_close(denoiser.seen[0], LATENT + own * schedule("karras", SPACE, 12)[6])
    run(sampler_name="ddim", noise_mask=torch.zeros(1, 8, 8), seed=2**64 - 1)


def test_without_a_mask_ddim_is_euler() -> None:
    assert torch.equal(run(sampler_name="ddim"), run(sampler_name="euler"))


def test_masks_are_resized_repeated_and_cut() -> None:
    shape = torch.Size((3, 4, 8, 8))
    ramp = torch.linspace(0, 1, 16).expand(16, 16)
    fitted = fit_mask(ramp.unsqueeze(0), shape)
    assert fitted.shape == shape
    assert torch.equal(fitted[0, 0], fitted[2, 3])
    two = fit_mask(torch.stack([torch.zeros(8, 8), torch.ones(8, 8)]), shape)
    assert two[:, 0, 0, 0].tolist() == [0, 1, 0]
    assert fit_mask(torch.ones(5, 8, 8), shape).shape == shape
    assert fit_mask(torch.ones(3, 9, 9), torch.Size((1, 16, 5, 4, 4))).shape == (1, 16, 5, 4, 4)
    assert fit_mask(torch.ones(1, 1, 30), torch.Size((2, 8, 15))).shape == (2, 8, 15)
    with pytest.raises(ValueError, match="cannot be masked"):
        fit_mask(torch.ones(8, 8), torch.Size((1, 4)))


def test_a_plain_function_will_do_as_a_denoiser() -> None:
    assert torch.equal(run(Plain(Gaussian())), run())


def test_cfg_pp_tells_the_missing_part_through_masks_and_cancelling() -> None:
    with pytest.raises(TypeError, match="pair"):
        run(
            Plain(Gaussian()),
            sampler_name="euler_cfg_pp",
            noise_mask=torch.ones(1, 8, 8),
            cancelled=lambda: None,
        )


@pytest.mark.parametrize("name", SAMPLERS)
def test_replaying_recorded_answers_resumes_to_identical_values(name: str) -> None:
    """How a killed run goes on: the answers it had come from the record, the others from the model."""
    answers: list[tuple[Tensor, Tensor]] = []

    class Recording(Gaussian):
        def pair(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
            answers.append(super().pair(x, sigma))
            return answers[-1]

    class Resumed(Gaussian):
        given = 0

        def pair(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
            self.given += 1
            return answers[self.given - 1] if self.given <= 3 else super().pair(x, sigma)

    whole = run(Recording(), sampler_name=name, seed=4)
    resumed = Resumed()
    assert torch.equal(run(resumed, sampler_name=name, seed=4), whole)
    assert resumed.calls == len(answers) - 3


def test_custom_sigmas_and_solvers() -> None:
    sigmas = torch.tensor([3.0, 1.0, 0.3, 0.0])
    solver = sampler("euler_ancestral").with_options(eta=0.0)
    result = sample_sigmas(Gaussian(), EPS, LATENT, noise(), sigmas, solver=solver, seed=1)
    plain = sample_sigmas(Gaussian(), EPS, LATENT, noise(), sigmas, solver=sampler("euler"))
    torch.testing.assert_close(result, plain)


def test_a_leftover_flow_latent_gets_its_scale_back_so_that_it_can_be_noised_again() -> None:
    half = run(kind="flow3", start_step=0, last_step=3)
    again = run(kind="flow3", latent=half, noise=None, start_step=3, last_step=10_000)
    torch.testing.assert_close(again, run(kind="flow3"), rtol=1e-4, atol=1e-4)


def test_the_space_may_be_any_table() -> None:
    sigmas = sampling_sigmas(DiscreteSigmas(torch.full((10,), 0.1)), "euler", "simple", 4)
    assert len(sigmas) == 5


class Tape:
    """Remembers answers in memory."""

    def __init__(self, items: Sequence[object] = ()) -> None:
        self.items = list(items)

    def recorded(self) -> Sequence[object]:
        return list(self.items)

    def add(self, item: object) -> None:
        self.items.append(item)

    def finish(self) -> None:
        """Nothing waits to be written."""


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_goes_on_from_recorded_answers_to_the_same_bits(name: str) -> None:
    recorded, rest = Tape(), Gaussian()
    whole = run(sampler_name=name, seed=4, tape=recorded)
    done = len(recorded.items) // 2
    assert torch.equal(run(rest, sampler_name=name, seed=4, tape=Tape(recorded.items[:done])), whole)
    assert rest.calls == len(recorded.items) - done
