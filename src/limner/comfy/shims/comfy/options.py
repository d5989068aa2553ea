"""ComfyUI's `comfy.options`."""

args_parsing = False


def enable_args_parsing(enable: bool = True) -> None:
    """Nothing: a host takes no flags of ComfyUI."""
