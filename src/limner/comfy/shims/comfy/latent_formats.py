"""ComfyUI's `comfy.latent_formats`."""

from limner.comfy.shims.objects.latent_formats import (
    SC_B,
    SD3,
    SD15,
    SD_X4,
    SDXL,
    Flux,
    HunyuanVideo,
    LatentFormat,
    SC_Prior,
)

__all__ = ["SC_B", "SD3", "SD15", "SDXL", "SD_X4", "Flux", "HunyuanVideo", "LatentFormat", "SC_Prior"]
