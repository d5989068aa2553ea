"""Conditioning lists: each function leaves its arguments alone."""

import copy
from collections.abc import Callable

import pytest
import torch

from limner.diffusion import conditioning
from limner.diffusion.conditioning import Conditioning
from limner.diffusion.errors import ConditioningError


def one(value: float, tokens: int = 3, **options: object) -> Conditioning:
    return [[torch.full((1, tokens, 2), value), {"pooled_output": torch.full((1, 2), value), **options}]]


def test_combine_keeps_both() -> None:
    assert conditioning.combine(one(1), one(2))[1][0][0, 0, 0] == 2


def test_concat_appends_the_first_of_the_source_to_each() -> None:
    made = conditioning.concat(one(1) + one(2), one(3, tokens=2) + one(4))
    assert [vectors.shape[1] for vectors, _ in made] == [5, 5]
    assert made[1][0][0, :, 0].tolist() == [2, 2, 2, 3, 3]


def test_average_pads_and_cuts_the_source() -> None:
    ((vectors, options),) = conditioning.average(one(4), one(2, tokens=1), 0.75)
    assert vectors[0, :, 0].tolist() == [3.5, 3.0, 3.0]
    assert options["pooled_output"].tolist() == [[3.5, 3.5]]
    ((vectors, _),) = conditioning.average(one(4, tokens=1), one(2), 0.5)
    assert vectors[0, :, 0].tolist() == [3.0]


def test_prompts_of_different_text_encoders_do_not_mix() -> None:
    wider: Conditioning = [[torch.zeros(1, 3, 5), {}]]
    with pytest.raises(ConditioningError, match="of 2 and of 5 numbers"):
        conditioning.concat(one(1), wider)
    with pytest.raises(ConditioningError, match="of 5 and of 2 numbers"):
        conditioning.average(wider, one(1), 0.5)


def test_average_takes_the_pooled_output_that_is_there() -> None:
    plain: Conditioning = [[torch.zeros(1, 3, 2), {}]]
    assert conditioning.average(plain, one(2), 0.5)[0][1]["pooled_output"].tolist() == [[2, 2]]
    assert "pooled_output" not in conditioning.average(plain, plain, 0.5)[0][1]


def test_areas_are_in_cells_or_shares() -> None:
    options = conditioning.set_area(one(1), 64, 128, 72, 8, strength=0.5)[0][1]
    assert (options["area"], options["strength"]) == ((16, 8, 1, 9), 0.5)
    options = conditioning.set_area_percentage(one(1), 0.5, 0.25, 0.1, 0.2)[0][1]
    assert options["area"] == ("percentage", 0.25, 0.5, 0.2, 0.1)


def test_masks_get_a_batch_dimension() -> None:
    options = conditioning.set_mask(one(1), torch.ones(4, 5), 0.3, to_bounds=True)[0][1]
    assert options["mask"].shape == (1, 4, 5)
    assert (options["mask_strength"], options["set_area_to_bounds"]) == (0.3, True)


def test_zero_out_zeroes_all() -> None:
    ((vectors, options),) = conditioning.zero_out(one(1))
    assert not vectors.any()
    assert not options["pooled_output"].any()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: conditioning.combine(c, c),
        lambda c: conditioning.concat(c, c),
        lambda c: conditioning.average(c, c, 0.5),
        lambda c: conditioning.set_area(c, 8, 8, 0, 0),
        lambda c: conditioning.set_area_strength(c, 2.0),
        lambda c: conditioning.set_mask(c, torch.ones(2, 2)),
        lambda c: conditioning.set_timestep_range(c, 0.1, 0.9),
        conditioning.zero_out,
    ],
)
def test_arguments_are_left_alone(change: Callable[[Conditioning], Conditioning]) -> None:
    given = one(1)
    before = copy.deepcopy(given)
    assert change(given) is not given
    assert torch.equal(given[0][0], before[0][0])
    assert given[0][1].keys() == before[0][1].keys()
