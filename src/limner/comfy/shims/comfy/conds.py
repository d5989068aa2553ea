"""ComfyUI's `comfy.conds`."""

from limner.comfy.shims.objects.conds import CONDConstant, CONDCrossAttn, CONDList, CONDNoiseShape, CONDRegular

__all__ = ["CONDConstant", "CONDCrossAttn", "CONDList", "CONDNoiseShape", "CONDRegular"]
