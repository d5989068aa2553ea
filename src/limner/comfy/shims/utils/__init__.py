"""ComfyUI's `utils` package, which it has imported before any pack."""
