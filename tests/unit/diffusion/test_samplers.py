import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from limner.diffusion.parameterization import Parameterization
from limner.diffusion.samplers import SAMPLERS, Churn, SamplerContext, sampler
from limner.diffusion.samplers.base import ancestral_flow_step, ancestral_step
from limner.diffusion.samplers.brownian import BrownianNoise
from limner.diffusion.samplers.lms import adams_bashforth_weights
from limner.diffusion.samplers.sa_solver import adams_weights
from limner.diffusion.schedules import schedule
from tests.unit.diffusion.analytic import VARIANCE, Gaussian, Plain, figures, noise, parameterizations

MODELS = parameterizations()
RECORDED = figures()["samplers"]
CFG_PP = [name for name in SAMPLERS if name.endswith("cfg_pp")]
STOCHASTIC = [
    name for name in SAMPLERS if any(part in name for part in ("ancestral", "sde", "ddpm", "lcm", "seeds", "sa_solver"))
]


def start(model: Parameterization, scheduler: str, steps: int) -> tuple[Tensor, Tensor]:
    sigmas = schedule(scheduler, model.space, steps)
    return model.prediction.add_noise(torch.zeros_like(noise()), noise(), sigmas[0]), sigmas


def test_the_names_and_their_order_are_the_fields() -> None:
    recorded = [key.rsplit("/", 1)[1] for key in RECORDED if key.startswith("eps/normal/")]
    assert list(SAMPLERS) == recorded
    assert len(SAMPLERS) == 42


@pytest.mark.parametrize("case", RECORDED)
def test_results_are_the_recorded_ones(case: str) -> None:
    kind, scheduler, steps, name = case.split("/")
    model, denoiser, expected = MODELS[kind], Gaussian(), RECORDED[case]
    x, sigmas = start(model, scheduler, int(steps))
    result = sampler(name)(denoiser, x, sigmas, SamplerContext(model, seed=99))
    assert denoiser.calls == expected["calls"]
    # The adaptive solver's step sizes depend on the last digits of an error estimate; processors round differently.
    tolerance = 1e-4 if name == "dpm_adaptive" else 5e-5
    torch.testing.assert_close(result.flatten()[::37], torch.tensor(expected["every37"]), rtol=0, atol=tolerance)
    assert float(result.mean()) == pytest.approx(expected["mean"], abs=tolerance)
    assert float(result.std()) == pytest.approx(expected["std"], abs=tolerance)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in STOCHASTIC + CFG_PP])
def test_deterministic_solvers_approach_the_exact_solution(name: str) -> None:
    """For Gaussian data the ODE's solution is known: x leaves the mean in proportion to its deviation."""
    model, denoiser = MODELS["eps"], Gaussian()
    x, sigmas = start(model, "karras", 60)
    result = sampler(name)(denoiser, x, sigmas, SamplerContext(model))
    exact = denoiser.mu + (x - denoiser.mu) * math.sqrt(VARIANCE / (VARIANCE + float(sigmas[0]) ** 2))
    # First-order solvers are off by about a step's share, dpm_adaptive by its tolerance.
    coarse = ("euler", "ddim", "dpm_adaptive", "heunpp2")
    assert float((result - exact).abs().max()) < (0.2 if name in coarse else 0.05)


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("kind", ["eps", "flow3"])
def test_stochastic_solvers_follow_their_seed_and_nothing_else(name: str, kind: str) -> None:
    model = MODELS[kind]
    x, sigmas = start(model, "normal", 5)

    def run(seed: int) -> Tensor:
        return sampler(name)(Gaussian(), x, sigmas, SamplerContext(model, seed=seed))

    torch.manual_seed(1)
    first = run(3)
    torch.manual_seed(2)
    assert torch.equal(run(3), first)
    assert not torch.equal(run(4), first)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("kind", ["eps", "flow3"])
@pytest.mark.parametrize("levels", [0, 1, 2, 3])
def test_short_schedules_work(name: str, kind: str, levels: int) -> None:
    model = MODELS[kind]
    x, sigmas = start(model, "normal", 2)
    sigmas = sigmas[len(sigmas) - levels :]
    result = sampler(name)(Gaussian(), x, sigmas, SamplerContext(model))
    assert bool(result.isfinite().all())
    if levels < 2:
        assert torch.equal(result, x)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_schedule_that_stops_early_leaves_the_noise_of_its_last_level(name: str) -> None:
    model, denoiser = MODELS["eps"], Gaussian()
    x, sigmas = start(model, "karras", 30)
    stopped = sampler(name)(denoiser, x, sigmas[:20], SamplerContext(model, seed=8))
    deviation = float((stopped - denoiser.mu).std())
    assert deviation == pytest.approx(math.sqrt(VARIANCE + float(sigmas[19]) ** 2), rel=0.25)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_solver_reports_its_steps_in_order(name: str) -> None:
    model = MODELS["eps"]
    x, sigmas = start(model, "karras", 6)
    steps: list[int] = []

    def told(step: int, denoised: Tensor, seen: Tensor) -> None:
        steps.append(step)
        assert denoised.shape == seen.shape == x.shape

    sampler(name)(Gaussian(), x, sigmas, SamplerContext(model, on_step=told))
    assert steps == list(range(len(steps)))
    assert len(steps) == 6 or name in ("dpm_fast", "dpm_adaptive")


@pytest.mark.parametrize("name", CFG_PP)
def test_cfg_pp_needs_the_unconditional_prediction(name: str) -> None:
    model = MODELS["eps"]
    x, sigmas = start(model, "normal", 3)
    with pytest.raises(TypeError, match="pair"):
        sampler(name)(Plain(Gaussian()), x, sigmas, SamplerContext(model))


@pytest.mark.parametrize("name", ["euler", "heun", "heunpp2", "dpm_2"])
def test_churn_adds_noise_of_the_seed(name: str) -> None:
    model = MODELS["eps"]
    x, sigmas = start(model, "karras", 10)
    churned = sampler(name).with_options(churn=Churn(amount=4.0))

    def run(seed: int) -> Tensor:
        return churned(Gaussian(), x, sigmas, SamplerContext(model, seed=seed))

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
    out_of_range = sampler(name).with_options(churn=Churn(amount=4.0, low=1e6))
    plain = sampler(name)(Gaussian(), x, sigmas, SamplerContext(model))
    assert torch.equal(out_of_range(Gaussian(), x, sigmas, SamplerContext(model)), plain)


@pytest.mark.parametrize(
    ("name", "same_as"),
    [("euler_ancestral", "euler"), ("euler_ancestral_cfg_pp", "euler_cfg_pp"), ("dpm_2_ancestral", "dpm_2"),
     ("res_multistep_ancestral", "res_multistep")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["eps", "flow3"])
def test_eta_zero_renews_no_noise(name: str, same_as: str, kind: str) -> None:
    model = MODELS[kind]
    x, sigmas = start(model, "normal", 6)
    without = sampler(name).with_options(eta=0.0)(Gaussian(), x, sigmas, SamplerContext(model))
    torch.testing.assert_close(without, sampler(same_as)(Gaussian(), x, sigmas, SamplerContext(model)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dpmpp_2m_sde", {"solver_type": "euler"}),
        ("dpm_adaptive", {"order": 4}),
        ("ipndm", {"max_order": 5}),
        ("ipndm_v", {"max_order": 0}),
        ("deis", {"max_order": 5}),
        ("sa_solver", {"predictor_order": 0}),
    ],
)
def test_options_out_of_range_are_errors(name: str, options: dict[str, Any]) -> None:
    model = MODELS["eps"]
    x, sigmas = start(model, "normal", 3)
    with pytest.raises(ValueError, match=r"order|solver_type|iPNDM|DEIS"):
        sampler(name).with_options(**options)(Gaussian(), x, sigmas, SamplerContext(model))


def test_an_unknown_sampler_is_an_error_that_lists_them() -> None:
    with pytest.raises(ValueError, match="dpmpp_2m_sde"):
        sampler("dpm++ 2m sde")


def test_given_noise_replaces_the_solvers_own() -> None:
    model = MODELS["eps"]
    x, sigmas = start(model, "normal", 4)

    def silence(sigma: Tensor, sigma_next: Tensor) -> Tensor:
        return torch.zeros_like(x)

    results = [
        sampler("dpmpp_2m_sde")(Gaussian(), x, sigmas, SamplerContext(model, seed=seed, noise_sampler=silence))
        for seed in (1, 2)
    ]
    assert torch.equal(*results)


@pytest.mark.parametrize("split", [ancestral_step, ancestral_flow_step])
def test_ancestral_parts_add_up_to_the_next_level(split: Callable[..., Any]) -> None:
    for eta in (0.0, 0.3, 1.0):
        parts = split(torch.tensor(0.9), torch.tensor(0.6), eta)
        assert float((parts.scale * parts.down) ** 2 + parts.up**2) == pytest.approx(0.36, rel=1e-5)


def test_brownian_noise_is_one_path_whatever_the_steps() -> None:
    x = torch.zeros(1, 1, 50, 50)
    low, middle, high = torch.tensor(0.1), torch.tensor(0.7), torch.tensor(5.0)

    def path() -> BrownianNoise:
        return BrownianNoise(x, low, high, seed=3)

    first, second, whole = path()(high, middle), path()(middle, low), path()(high, low)
    joined = (first * (high - middle).sqrt() + second * (middle - low).sqrt()) / (high - low).sqrt()
    torch.testing.assert_close(joined, whole, rtol=1e-4, atol=1e-4)
    assert float(whole.std()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(path()(low, high), -whole)


def test_adams_bashforth_weights_on_even_steps_are_the_textbooks() -> None:
    weights = adams_bashforth_weights(torch.tensor([3.0, 2.0, 1.0, 0.0]).numpy(), 4.0)
    assert weights == pytest.approx([55 / 24, -59 / 24, 37 / 24, -9 / 24])


def test_stochastic_adams_weights_integrate_polynomials_exactly() -> None:
    visited = torch.tensor([-1.0, -0.4, 0.2], dtype=torch.float64)
    begin, end, tau = torch.tensor(0.2).double(), torch.tensor(0.9).double(), 0.7
    weights = adams_weights(visited, begin, end, tau)
    t = torch.linspace(0.2, 0.9, 20001, dtype=torch.float64)
    rate = 1 + tau**2
    exact = torch.trapezoid(rate * (rate * (t - end)).exp() * (t**2 - 3 * t + 1), t)
    assert float((weights * (visited**2 - 3 * visited + 1)).sum()) == pytest.approx(float(exact), rel=1e-6)
