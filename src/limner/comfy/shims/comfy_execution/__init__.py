"""ComfyUI's `comfy_execution` package."""
