"""Tensor files: what is read, and what is refused and how."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from limner.diffusion.errors import CheckpointError
from limner.diffusion.tensorfile import SafetensorsFile, open_tensors

CONTIGUOUS = torch.contiguous_format


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    return {
        "conv": torch.randn(8, 4, 3, 3).half(),
        "linear": torch.randn(300, 700).bfloat16(),
        "norm": torch.randn(5),
        "ids": torch.arange(7),
        "none": torch.zeros(0, 4),
    }


@pytest.fixture
def path(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, tmp_path / "model.safetensors", metadata={"title": "a"})
    return tmp_path / "model.safetensors"


def test_every_tensor_comes_back(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    file = open_tensors(path)
    assert file.metadata == {"title": "a"}
    assert file.shapes() == {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        assert torch.equal(file.read(name, None, CONTIGUOUS), tensor)
    file.close()


def test_a_read_converts_and_lays_out(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    read = open_tensors(path).read("conv", torch.bfloat16, torch.channels_last)
    assert read.dtype is torch.bfloat16
    assert read.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(read, tensors["conv"].bfloat16())


def test_tensors_outlive_the_file(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    file = open_tensors(path)
    read = file.read("norm", torch.float32, CONTIGUOUS)
    file.close()
    path.write_bytes(b"")
    assert torch.equal(read, tensors["norm"])


def test_large_tensors_convert_exactly(tmp_path: Path) -> None:
    values = torch.randn(1000, 1537).half()
    save_file({"w": values}, tmp_path / "w.safetensors")
    assert torch.equal(
        open_tensors(tmp_path / "w.safetensors").read("w", torch.bfloat16, CONTIGUOUS), values.bfloat16()
    )


def _truncate(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def _header(path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 64)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: _truncate(p, p.stat().st_size - 1), "truncated"),
        (lambda p: _header(p, {"__metadata__": ["a"]}), "metadata is no table"),
        (lambda p: _truncate(p, 40), "truncated inside its header"),
        (lambda p: _truncate(p, 5), "not a safetensors file"),
        (lambda p: _truncate(p, 0), "empty"),
        (lambda p: p.write_text("<html>404 Not Found</html> and more text"), "not a safetensors file"),
        (lambda p: p.write_bytes((12).to_bytes(8, "little") + b"not json at all"), "its header is no JSON"),
        (lambda p: _header(p, [1, 2]), "no table of tensors"),
        (lambda p: _header(p, {"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}), "tensor 'a'"),
        (lambda p: _header(p, {"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}), "does not fit its shape"),
        (lambda p: _header(p, {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}), "does not fit"),
        (lambda p: _header(p, {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-8, -4]}}), "does not fit"),
        (lambda p: p.unlink(), "no such file"),
        (lambda p: (p.unlink(), p.mkdir()), "no such file"),
    ],
)
def test_damaged_files_are_refused_by_name(path: Path, damage: object, said: str) -> None:
    damage(path)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=said) as caught:
        open_tensors(path)
    assert caught.value.path == path
    assert str(caught.value).startswith("model.safetensors: ")
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.safetensors"])
def test_pickles_are_refused_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    torch.save({"state_dict": {"w": torch.ones(3)}}, path)
    with pytest.raises(CheckpointError, match="pickle") as caught:
        open_tensors(path)
    assert "safetensors" in caught.value.remedy


def test_a_pickle_that_is_allowed_is_read(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.ones(3, 1)}}, tmp_path / "model.ckpt")
    file = open_tensors(tmp_path / "model.ckpt", allow_pickle=True)
    assert file.shapes() == {"w": (3, 1)}
    assert file.read("w", torch.float16, CONTIGUOUS).dtype is torch.float16


class Trap:
    """Unpickling it would run code."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("sprung"),))


def test_a_pickle_that_is_allowed_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"w": torch.ones(1), "trap": Trap()}, "model.ckpt")
    with pytest.raises(CheckpointError, match="restricted loader"):
        open_tensors(tmp_path / "model.ckpt", allow_pickle=True)
    assert not Path("sprung").exists()


def test_names_come_in_the_order_of_the_file(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    file = SafetensorsFile(path)
    ordered = file.in_file_order(tensors)
    assert sorted(ordered) == sorted(tensors)
    assert [file.shapes()[name] for name in ordered] == [tuple(tensors[name].shape) for name in ordered]
