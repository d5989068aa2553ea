"""A Stable Diffusion 1.5-size checkpoint with weights that are random and the same on every machine.

The weights mean nothing; two programs that load the file must compute the same numbers. 1,130 tensors, float16, 2.1 GB.
Run as a program it writes the file: `python -m tests.parity.checkpoint OUT.safetensors`.
"""

import os
import sys
import tempfile
import zlib
from pathlib import Path

import torch
from safetensors.torch import save_file

FIXTURES = Path(__file__).parents[1] / "fixtures" / "sd15"
SIZE = 2_132_625_150  # bytes


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Noise seeded by the name, scaled so that values keep unit scale through the networks."""
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if len(shape) == 1:
        return (0.02 * noise + (1.0 if name.endswith("weight") else 0.0)).half()
    embedding = name.endswith(("token_embedding.weight", "position_embedding.weight"))
    return (noise * (0.02 if embedding else noise[0].numel() ** -0.5)).half()


def write(path: Path) -> None:
    """Write the checkpoint; under another name first, so that what is there is whole."""
    lines = (line.split("\t") for line in (FIXTURES / "layout.tsv").read_text().splitlines())
    tensors = {name: tensor(name, tuple(int(size) for size in shape.split("x"))) for name, shape in lines}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial)
    partial.rename(path)


def checkpoint() -> Path:
    """Where the checkpoint lies, written there if it is not: `LIMNER_PARITY_CHECKPOINT`, or the temporary folder."""
    default = Path(tempfile.gettempdir()) / "limner-parity" / "sd15.safetensors"
    path = Path(os.environ.get("LIMNER_PARITY_CHECKPOINT", default))
    if not path.is_file() or path.stat().st_size != SIZE:
        write(path)
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]))
