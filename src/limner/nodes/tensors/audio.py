"""Waveforms: AUDIO's `waveform` is float32 [batch, channels, samples]."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

ROLLOFF = 0.99
ZERO_CROSSINGS = 6


def resample(waveform: Tensor, rate: int, new_rate: int) -> Tensor:
    """Band-limited interpolation with a Hann-windowed sinc (Smith, "Digital Audio Resampling").

    The window spans 6 zero crossings on each side and cuts off at 0.99 of the lower rate's half.
    """
    if rate == new_rate:
        return waveform
    divisor = math.gcd(rate, new_rate)
    old, new = rate // divisor, new_rate // divisor
    kernel, reach = _sinc_kernels(old, new)
    flat = pad(waveform.reshape(-1, 1, waveform.shape[-1]), (reach, reach + old))
    phases = conv1d(flat, kernel.to(waveform), stride=old)
    length = math.ceil(new * waveform.shape[-1] / old)
    return phases.transpose(1, 2).reshape(*waveform.shape[:-1], -1)[..., :length]


def _sinc_kernels(old: int, new: int) -> tuple[Tensor, int]:
    """A kernel for each of the `new` phases, [new, 1, taps], and how far it reaches back."""
    cutoff = min(old, new) * ROLLOFF
    reach = math.ceil(ZERO_CROSSINGS * old / cutoff)
    taps = torch.arange(-reach, reach + old, dtype=torch.float64) / old
    phases = torch.arange(new, dtype=torch.float64)[:, None] / new
    position = ((taps - phases) * cutoff).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = torch.cos(position * math.pi / ZERO_CROSSINGS / 2) ** 2
    return (torch.sinc(position) * window * (cutoff / old)).float()[:, None], reach


def at_one_rate(first: dict[str, Any], second: dict[str, Any]) -> tuple[Tensor, Tensor, int]:
    """The waveforms of two AUDIOs at the higher of their rates, and that rate."""
    rate = max(first["sample_rate"], second["sample_rate"])
    one, two = (resample(audio["waveform"], audio["sample_rate"], rate) for audio in (first, second))
    return one, two, rate


def of_length(waveform: Tensor, length: int) -> Tensor:
    """Cut, or filled up with silence."""
    return pad(waveform, (0, max(0, length - waveform.shape[-1])))[..., :length]
