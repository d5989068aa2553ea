"""ComfyUI's `comfy.cli_args`: its flags, with the values that describe this host."""

from __future__ import annotations

import argparse
import enum

from limner.comfy.shims.bridge import bridge_of

bridge = bridge_of(__name__)


class LatentPreviewMethod(enum.Enum):
    """How previews are made."""

    NoPreviews = "none"
    Auto = "auto"
    Latent2RGB = "latent2rgb"
    TAESD = "taesd"

    @classmethod
    def from_string(cls, value: str) -> LatentPreviewMethod | None:
        return next((method for method in cls if method.value == value), None)


class PerformanceFeature(enum.Enum):
    """Experimental speed-ups; none is on."""

    Fp16Accumulation = "fp16_accumulation"
    Fp8MatrixMultiplication = "fp8_matrix_mult"
    CublasOps = "cublas_ops"
    AutoTune = "autotune"


class _Flags(argparse.Namespace):
    """Flags that are not here are off, as flags that nobody gave."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("_"):
            raise AttributeError(name)


_folders = bridge.folders

args = _Flags(
    listen="127.0.0.1",
    port=8188,
    base_directory=str(_folders.base),
    output_directory=str(_folders.output),
    input_directory=str(_folders.input),
    temp_directory=str(_folders.temp),
    user_directory=str(_folders.user),
    preview_method=LatentPreviewMethod.Auto,
    preview_size=512,
    fast=set(),
    cpu=False,
    lowvram=False,
    normalvram=False,
    highvram=False,
    novram=False,
    gpu_only=False,
    multi_user=False,
    enable_cors_header=None,
    disable_metadata=False,
    disable_all_custom_nodes=False,
    disable_api_nodes=True,
    verbose="INFO",
    use_split_cross_attention=False,
    use_quad_cross_attention=False,
    use_pytorch_cross_attention=True,
    use_sage_attention=False,
    use_flash_attention=False,
    disable_xformers=True,
    deterministic=False,
    force_fp16=False,
    force_fp32=False,
    windows_standalone_build=False,
    extra_model_paths_config=None,
    default_hashing_function="sha256",
    front_end_root=None,
    max_upload_size=100,
    database_url=None,
    whitelist_custom_nodes=[],
    cache_lru=0,
    cache_none=False,
    dont_print_server=False,
    auto_launch=False,
    tls_keyfile=None,
    tls_certfile=None,
)


def enables_dynamic_vram() -> bool:
    """Whether weights are moved piece by piece by ComfyUI's own allocator: never here."""
    return False
