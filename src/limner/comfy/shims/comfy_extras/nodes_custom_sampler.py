"""ComfyUI's `comfy_extras.nodes_custom_sampler`: noise and guiders that packs make and inherit."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.declared import declared
from limner.comfy.shims.objects.guiders import CFGGuider as Guider
from limner.comfy.shims.objects.prediction import calc_cond_batch, cfg_function
from limner.nodes.sampling.custom.noise import Noise_EmptyNoise, Noise_RandomNoise

__all__ = ["DualCFGGuider", "Guider_Basic", "Guider_DualCFG", "Noise_EmptyNoise", "Noise_RandomNoise"]


class Guider_Basic(Guider):
    """One prompt, without guidance."""

    def set_conds(self, positive: Any, negative: Any = None) -> None:
        self.inner_set_conds({"positive": positive})


class Guider_DualCFG(Guider):
    """Three prompts: towards the first from the second, and from there away from the negative one."""

    cfg1 = 1.0
    cfg2 = 1.0
    nested = False

    def set_cfg(self, cfg1: float, cfg2: float = 1.0, nested: bool = False) -> None:
        """Both strengths; `nested` takes the second difference from the result of the first."""
        self.cfg1, self.cfg2, self.nested = cfg1, cfg2, nested

    def set_conds(self, positive: Any, middle: Any, negative: Any = None) -> None:  # type: ignore[override]
        middle = import_module("node_helpers").conditioning_set_values(middle, {"prompt_type": "negative"})
        self.inner_set_conds({"positive": positive, "middle": middle, "negative": negative})

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None) -> Tensor:
        """The guided clean latent."""
        options = model_options or {}
        negative, middle, positive = (self.conds.get(name) for name in ("negative", "middle", "positive"))
        plain = not options.get("disable_cfg1_optimization", False)
        if not self.nested and plain and math.isclose(self.cfg2, 1.0):
            negative = None
            middle = None if math.isclose(self.cfg1, 1.0) else middle
        conds = [negative, middle, positive]
        out = calc_cond_batch(self.inner_model, conds, x, timestep, options)
        if self.nested:
            shared = {"model_options": options, "cond": positive, "uncond": middle}
            text = cfg_function(self.inner_model, out[2], out[1], self.cfg1, x, timestep, **shared)
            return out[0] + self.cfg2 * (text - out[0])
        shared = {"model_options": options, "cond": middle, "uncond": negative}
        away = cfg_function(self.inner_model, out[1], out[0], self.cfg2, x, timestep, **shared)
        return away + (out[2] - out[1]) * self.cfg1


@declared("DualCFGGuider", "get_guider")
class DualCFGGuider:
    """A guider with three prompts."""

    def get_guider(
        self, model: Any, cond1: Any, cond2: Any, negative: Any, cfg_conds: float, cfg_cond2_negative: float, style: str
    ) -> tuple[Any]:
        guider = Guider_DualCFG(model)
        guider.set_conds(cond1, cond2, negative)
        guider.set_cfg(cfg_conds, cfg_cond2_negative, nested=style == "nested")
        return (guider,)
