"""ComfyUI's `comfy.model_management`: devices, dtypes and memory, answered by this host's models runtime."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from enum import Enum
from importlib import import_module
from typing import Any

import psutil
import torch
from torch import Tensor

from limner.comfy.shims.bridge import bridge_of
from limner.comfy.shims.objects import dtypes
from limner.diffusion import devices
from limner.diffusion.runtime import Runtime
from limner.sdk import Cancelled

bridge = bridge_of(__name__)

InterruptProcessingException = Cancelled
"""What is raised in a node whose run was interrupted."""
OOM_EXCEPTION = torch.OutOfMemoryError
VAE_DTYPES = [torch.float32]
XFORMERS_IS_AVAILABLE = False
SAGE_ATTENTION_IS_AVAILABLE = FLASH_ATTENTION_IS_AVAILABLE = False
ENABLE_PYTORCH_ATTENTION = True
FLOAT8_TYPES = [torch.float8_e4m3fn, torch.float8_e5m2]
PRIORITIZE_FP16 = False
directml_enabled = False
xpu_available = False
npu_available = mlu_available = ixuca_available = False
lowvram_available = True
NUM_STREAMS = 0
signal_empty_cache = False


class VRAMState(Enum):
    """How scarce the device's memory is."""

    DISABLED = 0
    NO_VRAM = 1
    LOW_VRAM = 2
    NORMAL_VRAM = 3
    HIGH_VRAM = 4
    SHARED = 5


class CPUState(Enum):
    """What kind of device this is."""

    GPU = 0
    CPU = 1
    MPS = 2


def _runtime() -> Runtime:
    return bridge.services.get(Runtime)


def get_torch_device() -> torch.device:
    """The device that models run on; the best of this machine in a host without models."""
    try:
        return _runtime().device
    except LookupError:
        return devices.choose()


cpu_state = {"cpu": CPUState.CPU, "mps": CPUState.MPS}.get(get_torch_device().type, CPUState.GPU)
vram_state = VRAMState.DISABLED if cpu_state is CPUState.CPU else VRAMState.NORMAL_VRAM
set_vram_to = vram_state
total_ram = psutil.virtual_memory().total / 2**20


def get_total_memory(dev: Any = None, torch_total_too: bool = False) -> Any:
    """Bytes of a device."""
    total = devices.total_memory(torch.device(dev or get_torch_device())) or psutil.virtual_memory().total
    return (total, total) if torch_total_too else total


def get_free_memory(dev: Any = None, torch_free_too: bool = False) -> Any:
    """Bytes of a device that can be allocated."""
    free = devices.free_memory(torch.device(dev or get_torch_device()))
    free = psutil.virtual_memory().available if free is None else free
    return (free, free) if torch_free_too else free


total_vram = get_total_memory() / 2**20


def get_torch_device_name(device: Any) -> str:
    kind = getattr(device, "type", str(device))
    return f"{device} {torch.cuda.get_device_name(device)} : native" if kind == "cuda" else str(kind)


def is_device_type(device: Any, type: str) -> bool:
    return bool(getattr(device, "type", None) == type)


def is_device_cpu(device: Any) -> bool:
    return is_device_type(device, "cpu")


def is_device_mps(device: Any) -> bool:
    return is_device_type(device, "mps")


def is_device_cuda(device: Any) -> bool:
    return is_device_type(device, "cuda")


def is_device_xpu(device: Any) -> bool:
    return is_device_type(device, "xpu")


def is_nvidia() -> bool:
    return cpu_state is CPUState.GPU and bool(torch.version.cuda)


def is_amd() -> bool:
    return cpu_state is CPUState.GPU and bool(torch.version.hip)


def is_intel_xpu() -> bool:
    return False


def is_ascend_npu() -> bool:
    return False


def is_mlu() -> bool:
    return False


def is_ixuca() -> bool:
    return False


def is_directml_enabled() -> bool:
    return False


def cpu_mode() -> bool:
    return cpu_state is CPUState.CPU


def mps_mode() -> bool:
    return cpu_state is CPUState.MPS


def xformers_enabled() -> bool:
    return False


def xformers_enabled_vae() -> bool:
    return False


def sage_attention_enabled() -> bool:
    return False


def flash_attention_enabled() -> bool:
    return False


def pytorch_attention_enabled() -> bool:
    return True


def pytorch_attention_enabled_vae() -> bool:
    return True


def pytorch_attention_flash_attention() -> bool:
    return is_nvidia()


def force_upcast_attention_dtype() -> None:
    """No dtype has to be raised for attention."""


def force_channels_last() -> bool:
    return False


def extended_fp16_support() -> bool:
    return True


def intermediate_device() -> torch.device:
    return torch.device("cpu")


def _parking() -> torch.device:
    return devices.parking(get_torch_device())


unet_offload_device = text_encoder_offload_device = vae_offload_device = _parking
unet_initial_load_device = unet_inital_load_device = lambda parameters=0, dtype=None: _parking()
text_encoder_device = vae_device = get_torch_device


def text_encoder_initial_device(load_device: Any, offload_device: Any, model_size: int = 0) -> Any:
    return offload_device


def unet_dtype(
    device: Any = None, model_params: int = 0, supported_dtypes: Iterable[torch.dtype] = (), weight_dtype: Any = None
) -> torch.dtype:
    return _runtime().precision.network


def unet_manual_cast(
    weight_dtype: Any, inference_device: Any, supported_dtypes: Iterable[torch.dtype] = ()
) -> torch.dtype | None:
    """The dtype that weights of this one are computed in; None where it is their own."""
    wanted = _runtime().precision.network
    return None if weight_dtype == wanted else wanted


def text_encoder_dtype(device: Any = None) -> torch.dtype:
    return _runtime().precision.text


def vae_dtype(device: Any = None, allowed_dtypes: Iterable[torch.dtype] = ()) -> torch.dtype:
    return _runtime().precision.vae


def should_use_fp16(
    device: Any = None, model_params: int = 0, prioritize_performance: bool = True, manual_cast: bool = False
) -> bool:
    return torch.device(device or get_torch_device()).type in ("cuda", "mps")


def should_use_bf16(
    device: Any = None, model_params: int = 0, prioritize_performance: bool = True, manual_cast: bool = False
) -> bool:
    where = torch.device(device or get_torch_device())
    return where.type == "cuda" and torch.cuda.is_bf16_supported()


def supports_fp8_compute(device: Any = None) -> bool:
    return False


def supports_dtype(device: Any, dtype: torch.dtype) -> bool:
    return dtype == torch.float32 or (not is_device_cpu(device) and dtype in (torch.float16, torch.bfloat16))


def supports_cast(device: Any, dtype: torch.dtype) -> bool:
    return not (is_device_mps(device) and dtype in FLOAT8_TYPES)


def pick_weight_dtype(dtype: Any, fallback_dtype: Any, device: Any = None) -> Any:
    return fallback_dtype if dtype is None or not supports_cast(device, dtype) else dtype


def get_autocast_device(dev: Any) -> str:
    return str(getattr(dev, "type", "cuda"))


def device_supports_non_blocking(device: Any) -> bool:
    return not is_device_mps(device)


device_should_use_non_blocking = device_supports_non_blocking
dtype_size, module_size = dtypes.size, dtypes.module_size
cast_to, cast_to_device = dtypes.cast_to, dtypes.cast_to_device


def get_offload_stream(device: Any) -> None:
    """Weights are not moved on a stream of their own."""


def sync_stream(device: Any, stream: Any) -> None:
    """Nothing to wait for."""


def minimum_inference_memory() -> float:
    return 1024 * 1024 * 1024 * 0.8


def extra_reserved_memory() -> float:
    return 400 * 2**20


def maximum_vram_for_weights(device: Any = None) -> float:
    return float(get_total_memory(device)) * 0.88 - minimum_inference_memory()


def free_memory(memory_required: float, device: Any = None, keep_loaded: Iterable[Any] = ()) -> list[Any]:
    """Move models out until as many bytes are free."""
    if device is None or torch.device(device) == get_torch_device():
        _runtime().free(int(memory_required))
    return []


def load_models_gpu(
    models: Iterable[Any],
    memory_required: float = 0,
    force_patch_weights: bool = False,
    minimum_memory_required: float | None = None,
    force_full_load: bool = False,
) -> None:
    """Bring models to the device, each with its patches."""
    for model in models:
        loader = getattr(model, "load_to_device", None)
        if loader is not None:
            loader(int(memory_required))


def load_model_gpu(model: Any) -> None:
    load_models_gpu([model])


class LoadedModel:
    """A model that is loaded, as lists of models have it."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = getattr(model, "load_device", get_torch_device())
        self.currently_used = True

    def model_memory(self) -> int:
        return int(self.model.model_size())


current_loaded_models: list[LoadedModel] = []


def loaded_models(only_currently_used: bool = False) -> list[Any]:
    return [loaded.model for loaded in current_loaded_models]


def unload_all_models() -> None:
    _runtime().unload_all()


def unload_model_clones(model: Any, unload_weights_only: bool = True, force_unload: bool = True) -> bool:
    return True


def cleanup_models() -> None:
    """Nothing: models that nobody refers to are gone."""


def cleanup_models_gc() -> None:
    gc.collect()


def soft_empty_cache(force: bool = False) -> None:
    devices.release_cached(get_torch_device())


def interrupt_current_processing(value: bool = True) -> None:
    call = bridge.call()
    if value and call is not None:
        call.interrupt()


def processing_interrupted() -> bool:
    call = bridge.call()
    return call is not None and call.cancelled


def throw_exception_if_processing_interrupted() -> None:
    call = bridge.call()
    if call is not None:
        call.check_cancelled()


def _moved(tensor: Tensor) -> Tensor:
    return tensor.to(get_torch_device())


args = import_module("comfy.cli_args").args
__all__ = ["psutil", "sys", "torch"]
