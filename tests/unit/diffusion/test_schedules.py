import pytest
import torch

from limner.diffusion.parameterization import DiscreteSigmas, FlowSigmas, SigmaSpace
from limner.diffusion.schedules import SCHEDULERS, schedule
from tests.unit.diffusion.analytic import figures, parameterizations

RECORDED = figures()["sigmas"]


def test_the_names_and_their_order_are_the_fields() -> None:
    assert list(SCHEDULERS) == list(RECORDED["eps"])


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("model", RECORDED)
def test_sigmas_are_the_recorded_ones(model: str, name: str) -> None:
    space = parameterizations()[model].space
    for steps, sigmas in RECORDED[model][name].items():
        torch.testing.assert_close(schedule(name, space, int(steps)), torch.tensor(sigmas), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("space", [DiscreteSigmas.stable_diffusion(), FlowSigmas(3.0)])
@pytest.mark.parametrize("steps", [1, 2, 3, 150, 1500])
def test_every_length_descends_to_zero(name: str, space: SigmaSpace, steps: int) -> None:
    sigmas = schedule(name, space, steps)
    assert sigmas.dtype == torch.float32
    assert bool(sigmas.isfinite().all())
    assert bool((sigmas.diff() <= 0).all())
    assert sigmas[-1] == 0
    assert len(sigmas) >= 2
    if name not in ("beta", "ddim_uniform"):
        assert len(sigmas) == steps + 1


def test_a_table_that_starts_clean_gets_no_second_zero() -> None:
    betas = torch.full((1000,), 1e-13, dtype=torch.float64)
    betas[2:] = 0.01
    space = DiscreteSigmas(betas)
    for name in ("normal", "ddim_uniform"):
        sigmas = schedule(name, space, 10)
        assert 0 < sigmas[-1] < 1e-5
        assert len(sigmas) >= 11


def test_errors_name_the_remedy() -> None:
    space = FlowSigmas()
    with pytest.raises(ValueError, match="kl_optimal"):
        schedule("carras", space, 4)
    with pytest.raises(ValueError, match="at least 1 step"):
        schedule("karras", space, 0)
