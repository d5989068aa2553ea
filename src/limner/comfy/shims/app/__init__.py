"""ComfyUI's `app` package."""
