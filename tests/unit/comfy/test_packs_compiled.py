"""Libraries laid out as torchvision and torchaudio are whose compiled parts do not load, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REGISTERS = """
import torch
@torch.library.register_fake("torchvision::nms")
def shape_of_nms(dets, scores, iou_threshold):
    return dets.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)
@torch.library.register_fake("torchvision::qnms")
def shape_of_qnms(dets, scores, iou_threshold):
    return dets
"""
BOXES = """
import torch
from torchvision.extension import _assert_has_ops
def nms(boxes, scores, iou_threshold):
    _assert_has_ops()
    return torch.ops.torchvision.nms(boxes, scores, iou_threshold)
"""
EXTENSION = """
def _has_ops():
    return {has}
def _assert_has_ops():
    assert _has_ops(), "no compiled operators"
"""
AUDIO = """
def _load_lib(name):
    raise OSError("libc10_cuda.so: cannot open shared object file")
"""
PREPARE = "from limner.comfy.packs_compiled import mend_compiled_parts\nmend_compiled_parts()\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "torchvision/__init__.py": "from . import extension, _meta_registrations, ops\n",
            "torchvision/extension.py": EXTENSION.format(has=False),
            "torchvision/_meta_registrations.py": REGISTERS,
            "torchvision/ops/__init__.py": "from . import boxes\n",
            "torchvision/ops/boxes.py": BOXES,
            "torchaudio/__init__.py": "from . import _extension\n",
            "torchaudio/_extension/__init__.py": "from .utils import _load_lib\nTHERE = _load_lib('_torchaudio')\n",
            "torchaudio/_extension/utils.py": AUDIO,
        },
    )
    return tmp_path


def run(libraries: Path, code: str) -> subprocess.CompletedProcess[str]:
    begin = f"import sys\nsys.path.insert(0, {str(libraries)!r})\n"
    return subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True, check=False)


def test_without_mending_neither_imports(libraries: Path) -> None:
    assert "torchvision::nms does not exist" in run(libraries, "import torchvision").stderr
    assert "libc10_cuda.so" in run(libraries, "import torchaudio").stderr


def test_both_import_and_boxes_are_suppressed(libraries: Path) -> None:
    code = """
import torch, torchaudio, torchvision
assert torchaudio._extension.THERE is False
boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 10, 5.0]])
scores = torch.tensor([0.6, 0.9, 0.5, 0.7])
# with the best, the first shares 81 of 119 (0.68), the last 36 of 114 (0.32); the first and the last share 0.5
for threshold, kept in ((0.5, [1, 3, 2]), (0.7, [1, 3, 0, 2]), (0.3, [1, 2])):
    assert torchvision.ops.boxes.nms(boxes, scores, threshold).tolist() == kept, threshold
assert torchvision.ops.boxes.nms(torch.empty(0, 4), torch.empty(0), 0.5).tolist() == []
print("done")
"""
    done = run(libraries, PREPARE + code)
    assert done.stdout == "done\n", done.stderr


def test_a_library_that_loads_is_left_as_it_is(libraries: Path) -> None:
    write(
        libraries,
        {
            "torchvision/extension.py": EXTENSION.format(has=True),
            "torchvision/_meta_registrations.py": "",
            "torchvision/ops/boxes.py": "from torchvision.extension import _assert_has_ops\n",
            "torchaudio/_extension/utils.py": "def _load_lib(name):\n    return True\n",
        },
    )
    code = """
import torchaudio, torchvision
assert torchvision.ops.boxes._assert_has_ops is torchvision.extension._assert_has_ops
assert torchaudio._extension.THERE is True
print("done")
"""
    assert run(libraries, PREPARE + code).stdout == "done\n"
