"""Plain data, sizes, held values, descriptions of failures: what a host knows of the values of nodes."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import torch

from limner.engine.values import Gathered, Handle, Held
from limner.files import MissingFile
from limner.plugins import crossing
from limner.plugins.failures import describe, failure_of
from limner.plugins.plain import is_plain, made_plain
from limner.plugins.services import Services
from limner.plugins.sizes import SMALL, size_of
from limner.plugins.values import LostValue, ValueStore
from limner.sdk import Blocked, Cancelled


class Text(str):
    """As packs subclass it."""


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, True),
        ([1, 2.5, "a", {"b": [True, None]}], True),
        ((1, 2), False),
        ({1: 2}, False),
        (Text("a"), False),
        (torch.zeros(1), False),
        ([object()], False),
    ],
)
def test_plain_data_is_told_apart(value: object, plain: bool) -> None:
    assert is_plain(value) is plain


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": (1, {2})}, {"a": [1, [2]]}),
        ({1: Text("b")}, {"1": "b"}),
        (numpy.float32(0.5), 0.5),
        (torch.tensor(3), 3),
        ([float("nan"), float("inf"), 1.0], [None, None, 1.0]),
        (numpy.bool_(True), True),
        (complex(1, 2), "(1+2j)"),
    ],
)
def test_what_the_editor_shows_is_made_plain(value: object, plain: object) -> None:
    assert made_plain(value) == plain
    assert is_plain(made_plain(value))


def test_data_without_an_end_is_cut() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "..." in str(made_plain(endless))
    assert size_of(endless) == 0


def test_sizes_are_measured_through_containers() -> None:
    tensor = torch.zeros(4, 8, dtype=torch.float16)
    assert size_of(tensor) == 64
    assert size_of({"samples": tensor, "again": [tensor]}) == 64 + len("samples") + len("again") + 2 * SMALL
    assert size_of([[torch.zeros(10), {"pooled": torch.zeros(5)}]]) == 60 + len("pooled") + SMALL
    assert size_of(numpy.zeros(3)) == 24
    assert size_of("x" * 1000) == 1000 + SMALL
    assert size_of(7) == size_of(object()) == SMALL


class Rude:
    """Raises whatever it is asked."""

    @property
    def nbytes(self) -> int:
        raise RuntimeError("no")


def test_objects_that_will_not_say_their_size() -> None:
    assert size_of(Rude()) == SMALL


def test_values_are_held_until_released() -> None:
    store = ValueStore("here")
    handles = store.put("f", [[1], [1, 2], [Blocked("no")], [Blocked(), Blocked("why")], []])
    assert handles[0] == Handle("f", 0, "here", SMALL)
    assert (handles[1].length, handles[1].blocked) == (2, None)
    assert [handle.blocked for handle in handles[2:]] == ["no", "why", None]
    assert handles[4].length == 0
    assert store.items(Held("f", 1)) == [1, 2]
    assert store.items(Gathered((Held("f", 1), Held("f", 0)))) == [1, 2, 1]
    with pytest.raises(LostValue):
        store.items(Held("f", 5))
    store.release(["f", "unknown"])
    with pytest.raises(LostValue):
        store.items(Held("f", 0))
    assert len(store) == 0


def test_inputs_of_failures_are_described_shortly() -> None:
    assert describe(torch.zeros(1, 64, 64, 3)) == "Tensor(1, 64, 64, 3) torch.float32"
    assert describe("x" * 5000) == "x" * 2000 + "... (5000 characters)"
    assert describe({"samples": torch.zeros(2)}) == "{'samples': Tensor(2,) torch.float32}"
    assert describe(list(range(9))) == "[0, 1, 2, 3, 4, ... 9 in all]"
    assert describe(object()) == "<object>"
    assert describe(2.5) == 2.5


class OutOfCheese(Exception):
    def __init__(self) -> None:
        self.remedy = "buy some"
        super().__init__("there is no cheese")


def test_failures_say_kind_message_and_remedy() -> None:
    failure = failure_of(OutOfCheese(), "7", {"a": [1], "b": list(range(50))})
    assert failure.kind.endswith("OutOfCheese")
    assert (failure.message, failure.remedy, failure.node) == ("there is no cheese", "buy some", "7")
    assert failure.inputs["a"] == [1]
    assert len(failure.inputs["b"]) == 20  # type: ignore[arg-type]
    assert failure_of(KeyError(), "7").message == "KeyError"
    assert failure_of(MemoryError(), "7").remedy
    assert failure_of(Cancelled(), "7").interrupted


def test_a_remedy_is_said_once() -> None:
    error = MissingFile("there is no file 'a.png'", "Put it into input")
    failure = failure_of(error, "7")
    assert (failure.message, failure.remedy) == ("there is no file 'a.png'", "Put it into input")


def test_services_are_made_once_and_found_by_their_class() -> None:
    made = []

    def make() -> list[int]:
        made.append(1)
        return [7]

    services = Services("text").add(int, 5).add_factory(list, make)
    assert services.get(str) == "text"
    assert services.get(int) == 5
    assert services.get(list) is services.get(list)
    assert made == [1]
    with pytest.raises(LookupError, match="dict"):
        services.get(dict)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.uint8, torch.bool, torch.int64])
def test_tensors_cross_as_they_are(dtype: torch.dtype) -> None:
    tensor = (torch.arange(24).reshape(2, 3, 4) % 2).to(dtype).transpose(0, 1)
    (back,) = crossing.unpack(crossing.pack([tensor]))
    assert isinstance(back, torch.Tensor)
    assert back.dtype is dtype
    assert torch.equal(back, tensor)


def test_data_with_tensors_crosses_and_live_objects_do_not() -> None:
    latent = {"samples": torch.rand(1, 4, 2, 2), "noise_mask": None, "batch_index": [0]}
    array, empty = numpy.arange(3.0), torch.zeros(0, 4)
    back = crossing.unpack(crossing.pack([latent, array, empty, "text"]))
    assert torch.equal(back[0]["samples"], latent["samples"])  # type: ignore[index, arg-type]
    assert numpy.array_equal(back[1], array)  # type: ignore[arg-type]
    assert back[2].shape == (0, 4)  # type: ignore[attr-defined]
    assert back[3] == "text"
    with pytest.raises(crossing.CannotCross, match=r"builtins\.object .* cannot leave"):
        crossing.pack([{"model": object()}])
