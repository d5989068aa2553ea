"""ComfyUI's `comfy_extras`: the modules of its further nodes."""
