"""Where models run: the device that was asked for, or the best that this machine has."""

import torch

from limner.diffusion.errors import DeviceError


def choose(name: str = "auto") -> torch.device:
    """The device called `name`: "auto", "cpu", "cuda", "cuda:1", "mps". Raises `DeviceError` when it is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")
    remedy = "Use 'cpu', or leave the choice to 'auto'"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"There is no device {name!r}", remedy) from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise DeviceError(f"Device {name!r} is not there: {count} CUDA devices are", remedy)
        return torch.device("cuda", device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("Metal is not available", remedy)
    if device.type not in ("cpu", "mps"):
        raise DeviceError(f"Device {name!r} is of a kind that is not supported", remedy)
    return device


def parking(device: torch.device) -> torch.device:
    """Where a model waits while it is moved out of `device`."""
    return torch.device("cpu")


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be allocated on a device; None where it has no memory of its own."""
    if device.type != "cuda":
        return None
    free, _total = torch.cuda.mem_get_info(device)
    # What torch has reserved but does not use counts as free: its next allocations come out of it.
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def total_memory(device: torch.device) -> int | None:
    """Bytes of a device's own memory; None where it has none."""
    return int(torch.cuda.mem_get_info(device)[1]) if device.type == "cuda" else None


def release_cached(device: torch.device) -> None:
    """Give memory that torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return any(part in text for part in ("not enough memory", "can't allocate memory", "out of memory"))
