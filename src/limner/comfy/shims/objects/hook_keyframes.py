"""How strongly a hook acts over the course of sampling."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

NEVER_STARTED = 999999999.9


class HookKeyframe:
    """A strength from a share of the denoising on, for at least `guarantee_steps` steps."""

    def __init__(self, strength: float, start_percent: float = 0.0, guarantee_steps: int = 1) -> None:
        self.strength = strength
        self.start_percent = float(start_percent)
        self.start_t = NEVER_STARTED
        self.guarantee_steps = guarantee_steps

    def get_effective_guarantee_steps(self, max_sigma: Any) -> int:
        """None where the keyframe lies before the levels that are sampled."""
        return 0 if self.start_t > float(max_sigma) else self.guarantee_steps

    def clone(self) -> HookKeyframe:
        copy = HookKeyframe(self.strength, self.start_percent, self.guarantee_steps)
        copy.start_t = self.start_t
        return copy


class HookKeyframeGroup:
    """Keyframes in the order of their starts; `strength` is that of the current one, 1 where there is none."""

    def __init__(self) -> None:
        self.keyframes: list[HookKeyframe] = []
        self._place = 0
        self._used = 0
        self._seen: float | None = None

    @property
    def strength(self) -> float:
        return self.keyframes[self._place].strength if self.keyframes else 1.0

    def reset(self) -> None:
        self._place, self._used, self._seen = 0, 0, None

    def add(self, keyframe: HookKeyframe) -> None:
        self.keyframes = get_sorted_list_via_attr([*self.keyframes, keyframe], "start_percent")
        self._place = 0

    def has_guarantee_steps(self) -> bool:
        return any(keyframe.guarantee_steps > 0 for keyframe in self.keyframes)

    def has_index(self, index: int) -> bool:
        return 0 <= index < len(self.keyframes)

    def is_empty(self) -> bool:
        return not self.keyframes

    def clone(self) -> HookKeyframeGroup:
        copy = HookKeyframeGroup()
        copy.keyframes = [keyframe.clone() for keyframe in self.keyframes]
        return copy

    def initialize_timesteps(self, model: Any) -> None:
        """Find the level at which each begins."""
        for keyframe in self.keyframes:
            keyframe.start_t = model.model_sampling.percent_to_sigma(keyframe.start_percent)

    def prepare_current_keyframe(self, curr_t: float, transformer_options: dict[str, Any]) -> bool:
        """Go on to the keyframe of this level; whether the strength changed by it."""
        if not self.keyframes or curr_t == self._seen:
            return False
        highest, before = float(torch.max(transformer_options["sample_sigmas"])), self._place
        if self._used >= self.keyframes[self._place].get_effective_guarantee_steps(highest):
            for place in range(self._place + 1, len(self.keyframes)):
                if self.keyframes[place].start_t < curr_t:
                    break
                self._place, self._used = place, 0
                if self.keyframes[place].get_effective_guarantee_steps(highest) > 0:
                    break
        self._used += 1
        self._seen = curr_t
        return self.keyframes[before].strength != self.strength


class InterpolationMethod:
    """Ways from one strength to another."""

    LINEAR = "linear"
    EASE_IN = "ease_in"
    EASE_OUT = "ease_out"
    EASE_IN_OUT = "ease_in_out"
    _LIST = (LINEAR, EASE_IN, EASE_OUT, EASE_IN_OUT)

    @classmethod
    def get_weights(cls, num_from: float, num_to: float, length: int, method: str, reverse: bool = False) -> Tensor:
        """`length` values from one number to the other. Raises ValueError for an unknown method."""
        share = torch.linspace(0, 1, length)
        shapes = {
            cls.LINEAR: share,
            cls.EASE_IN: share.square(),
            cls.EASE_OUT: 1 - (1 - share).square(),
            cls.EASE_IN_OUT: (1 - torch.cos(share * math.pi)) / 2,
        }
        if method not in shapes:
            raise ValueError(f"unknown interpolation {method!r}: choose one of {', '.join(shapes)}")
        values = num_from + (num_to - num_from) * shapes[method]
        return values.flip(0) if reverse else values


def get_sorted_list_via_attr(objects: list[Any], attr: str) -> list[Any]:
    """The objects by an attribute; equal ones keep their order."""
    return sorted(objects, key=lambda entry: getattr(entry, attr))
