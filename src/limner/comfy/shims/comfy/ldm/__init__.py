"""ComfyUI's `comfy.ldm` package: of its networks only what packs compute with."""
