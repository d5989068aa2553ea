"""Made inputs and short descriptions of results, so that a fixture can say both in a line."""

from __future__ import annotations

import math
from typing import Any

import torch


def make(spec: Any) -> Any:
    """`{"made": KIND, "shape": [...], "seed": n}` -> a tensor (uniform, normal, binary, falling); else as it is."""
    if isinstance(spec, dict) and "made" in spec:
        generator = torch.Generator().manual_seed(spec["seed"])
        if spec["made"] == "normal":
            return torch.randn(spec["shape"], generator=generator)
        if spec["made"] == "falling":
            return torch.linspace(14.0, 0.0, spec["shape"][0])
        uniform = torch.rand(spec["shape"], generator=generator)
        return (uniform > 0.7).float() if spec["made"] == "binary" else uniform
    if isinstance(spec, dict):
        return {key: make(value) for key, value in spec.items()}
    return [make(value) for value in spec] if isinstance(spec, list) else spec


def summary(value: Any) -> Any:
    """Shape, type, moments and eleven samples of each tensor in a value; everything else as it is."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().double().flatten()
        described: dict[str, Any] = {"shape": list(value.shape), "dtype": str(value.dtype)}
        if flat.numel():
            picked = flat[:: max(1, flat.numel() // 11)][:11]
            described |= {
                "mean": _rounded(flat.mean()),
                "std": _rounded(flat.std(correction=0)),
                "some": [_rounded(item) for item in picked],
            }
        return described
    if isinstance(value, dict):
        return {key: summary(item) for key, item in value.items()}
    return [summary(item) for item in value] if isinstance(value, list | tuple) else value


def _rounded(value: torch.Tensor) -> float | str:
    number = float(value)
    return round(number, 5) if math.isfinite(number) else str(number)


def same(expected: Any, got: Any, tolerance: float = 1e-4) -> bool:
    """Equal, numbers within the tolerance."""
    if isinstance(expected, float) and isinstance(got, float):
        return abs(expected - got) <= tolerance * max(1.0, abs(expected))
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(same(expected[key], got[key], tolerance) for key in expected)
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(same(a, b, tolerance) for a, b in zip(expected, got, strict=True))
    return bool(expected == got)
