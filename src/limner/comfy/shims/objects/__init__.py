"""What ComfyUI's objects are here: MODEL, CLIP and VAE with their methods, over `limner.diffusion`."""
