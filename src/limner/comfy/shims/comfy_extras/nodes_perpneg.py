"""ComfyUI's `comfy_extras.nodes_perpneg`: what is to be avoided acts at right angles to what is to be drawn.

Armandpour et al. 2023, arXiv:2304.04968.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.declared import declared
from limner.comfy.shims.objects.guiders import CFGGuider as Guider
from limner.comfy.shims.objects.prediction import calc_cond_batch

__all__ = ["Guider_PerpNeg", "PerpNegGuider", "perp_neg"]


def perp_neg(
    x: Tensor,
    noise_pred_pos: Tensor,
    noise_pred_neg: Tensor,
    noise_pred_nocond: Tensor,
    neg_scale: float,
    cond_scale: float,
) -> Tensor:
    """The guided prediction: of the negative direction only what is perpendicular to the positive one counts."""
    towards, away = noise_pred_pos - noise_pred_nocond, noise_pred_neg - noise_pred_nocond
    along = (away * towards).sum() / towards.norm() ** 2
    perpendicular: Tensor = away - along * towards
    return noise_pred_nocond + cond_scale * (towards - neg_scale * perpendicular)


class Guider_PerpNeg(Guider):
    """Prompts to draw, to avoid, and an empty one that both are measured from."""

    neg_scale = 1.0

    def set_conds(self, positive: Any, negative: Any, empty_negative_prompt: Any = None) -> None:
        helpers = import_module("node_helpers")
        empty = helpers.conditioning_set_values(empty_negative_prompt, {"prompt_type": "negative"})
        self.inner_set_conds({"positive": positive, "empty_negative_prompt": empty, "negative": negative})

    def set_cfg(self, cfg: float, neg_scale: float = 1.0) -> None:
        self.cfg, self.neg_scale = cfg, neg_scale

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None) -> Tensor:
        """The guided clean latent."""
        options = model_options or {}
        positive, negative, empty = (self.conds.get(name) for name in ("positive", "negative", "empty_negative_prompt"))
        if not options.get("disable_cfg1_optimization", False) and math.isclose(self.neg_scale, 0.0):
            negative = None
            empty = None if math.isclose(self.cfg, 1.0) else empty
        conds = [positive, negative, empty]
        out = calc_cond_batch(self.inner_model, conds, x, timestep, options)
        shared = {"input": x, "sigma": timestep, "model": self.inner_model, "model_options": options}
        shared["cond_scale"] = self.cfg
        for hook in options.get("sampler_pre_cfg_function", []):
            out = hook({**shared, "conds": conds, "conds_out": out, "timestep": timestep})
        guided = perp_neg(x, out[0], out[1], out[2], self.neg_scale, self.cfg)
        told: dict[str, Any] = {"cond": positive, "uncond": negative, "empty_cond": empty}
        told |= dict(zip(("cond_denoised", "uncond_denoised", "empty_cond_denoised"), out, strict=True))
        for hook in options.get("sampler_post_cfg_function", []):
            guided = hook({**shared, **told, "denoised": guided})
        return guided


@declared("PerpNegGuider", "execute")
class PerpNegGuider:
    """A guider whose negative prompt acts at right angles."""

    def execute(
        self, model: Any, positive: Any, negative: Any, empty_conditioning: Any, cfg: float, neg_scale: float
    ) -> tuple[Any]:
        guider = Guider_PerpNeg(model)
        guider.set_conds(positive, negative, empty_conditioning)
        guider.set_cfg(cfg, neg_scale)
        return (guider,)
