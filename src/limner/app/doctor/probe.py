"""`python -m limner.app.doctor.probe`: what torch is, and whether its devices compute. The last line is JSON."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any


def main() -> int:
    import torch

    problem = ""
    with warnings.catch_warnings(record=True) as heard:  # torch says so why a driver is of no use to it
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
        problem = "; ".join(str(warning.message).splitlines()[0] for warning in heard)
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count() if available else 0)]
    names += ["mps"] if torch.backends.mps.is_available() else []
    told = {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "available": available,
        "problem": problem,
        "threads": torch.get_num_threads(),
        "devices": [_device(torch.device(name)) for name in (*names, "cpu")],
    }
    print(json.dumps(told))
    return 0


def _device(device: Any) -> dict[str, Any]:
    """A device, and whether a product of two small matrices comes out right on it."""
    import torch

    from limner.diffusion.devices import free_memory, total_memory

    found: dict[str, Any] = {"name": str(device), "type": device.type, "problem": "", "free": 0, "total": 0}
    try:
        product = torch.ones(64, 64, device=device) @ torch.ones(64, 64, device=device)
        if float(product.sum()) != 64.0**3:
            found["problem"] = "a product of matrices came out wrong"
        found |= {"free": free_memory(device) or 0, "total": total_memory(device) or 0}
    except (RuntimeError, OSError) as error:
        found["problem"] = str(error).splitlines()[0]
    return found


if __name__ == "__main__":
    sys.exit(main())
