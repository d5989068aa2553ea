"""What is written is read again, bit for bit; what only lives in memory is refused."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import torch

from limner.sdk import Blocked
from limner.stores.codec import Unwritable, decode, encode


def again(*items: object, copy: bool = True) -> list[Any]:
    return decode(bytearray(b"".join(encode([items], copy=copy))))[0]


PLAIN = [
    None,
    True,
    1,
    -(2**70),
    2**64,
    1.5,
    float("inf"),
    "text ü",
    b"\x00\xff",
    [1, [2, ()]],
    (1, ("a", [None])),
    {"a": {"b": (1, 2)}},
    {1: "one", (2, 3): "pair", None: "none"},
    Blocked("no"),
    Blocked(),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_data_comes_back_with_its_types(value: object) -> None:
    (found,) = again(value)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
@pytest.mark.parametrize("copy", [True, False])
def test_tensors_keep_bits_and_dtype(dtype: torch.dtype, copy: bool) -> None:
    tensor = (torch.randn(2, 3, 5) * 100).to(dtype)
    (found,) = again(tensor, copy=copy)
    assert found.dtype == dtype
    assert torch.equal(found, tensor)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(3.5),
        torch.zeros(0, 4),
        torch.randn(1, 3, 8, 8).to(memory_format=torch.channels_last),
        torch.randn(4, 6).t(),
        torch.randn(6, 6)[::2, 1:],
        torch.ones(3, 1).expand(3, 4),
        torch.randn(3, dtype=torch.complex64),
        torch.tensor([float("nan"), -0.0]),
    ],
    ids=["number", "empty", "channels last", "transposed", "part", "expanded", "complex", "nan"],
)
def test_tensors_of_every_layout(tensor: torch.Tensor) -> None:
    (found,) = again(tensor)
    assert found.shape == tensor.shape
    assert torch.equal(found.flatten().view(torch.uint8), tensor.flatten().view(torch.uint8))


def test_the_order_in_memory_stays() -> None:
    tensor = torch.randn(1, 3, 8, 8).to(memory_format=torch.channels_last)
    assert again(tensor)[0].stride() == tensor.stride()


def test_a_copy_does_not_see_later_changes() -> None:
    tensor = torch.zeros(4)
    parts = encode([[tensor]])
    tensor += 1
    assert decode(bytearray(b"".join(parts)))[0][0].sum() == 0


def test_arrays_and_their_scalars() -> None:
    array, number = again(numpy.arange(6, dtype="<i2").reshape(2, 3), numpy.float32(2.5))
    assert array.dtype == numpy.int16
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (type(number), number) == (numpy.float32, 2.5)


def test_conditioning_and_latents() -> None:
    conditioning = [[torch.randn(1, 77, 8), {"pooled_output": torch.randn(1, 8), "area": (1, 2, 3, 4)}]]
    latent = {"samples": torch.randn(1, 4, 8, 8), "noise_mask": None}
    found, other = again(conditioning, latent)
    assert torch.equal(found[0][0], conditioning[0][0])
    assert found[0][1]["area"] == (1, 2, 3, 4)
    assert torch.equal(other["samples"], latent["samples"])


@pytest.mark.parametrize(
    "value",
    [object(), torch.nn.Linear(1, 1), {"model": print}, torch.nn.Parameter(torch.ones(1)), {1, 2}],
    ids=["object", "module", "function", "parameter", "set"],
)
def test_live_objects_are_refused(value: object) -> None:
    with pytest.raises(Unwritable):
        encode([[value]])


def test_a_circle_is_refused() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(Unwritable):
        encode([[circle]])


@pytest.mark.parametrize("data", [b"", b"1234", b"\xff" * 40])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="encoded"):
        decode(bytearray(data))
