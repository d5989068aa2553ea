"""ComfyUI's `comfy` package. Its modules are there without being imported one by one, as ComfyUI has them loaded."""
