"""ComfyUI's `comfy.supported_models`."""

from limner.comfy.shims.objects.supported import (
    SD3,
    SD15,
    SD20,
    SDXL,
    Flux,
    FluxSchnell,
    SD15_instructpix2pix,
    SDXL_instructpix2pix,
    SDXLRefiner,
    models,
)

__all__ = ["SD3", "SD15", "SD20", "SDXL", "Flux", "FluxSchnell", "SD15_instructpix2pix", "SDXLRefiner"]
__all__ += ["SDXL_instructpix2pix", "models"]
