"""Diffusion models as a library: load, encode, denoise, decode. Built on torch, diffusers and transformers alone.

Importing this package costs nothing; import the module you need. diffusers and transformers are imported at the first
load of a file. Nothing here keeps module state: a `Runtime` holds the device, the precision and what is loaded.

`limner.diffusion.runtime`::

    runtime = Runtime(device="auto", precision="auto", embeddings=[Path(...)])  # or device="cpu", precision="fp32"
    runtime.load_checkpoint(path) -> Checkpoint(model, text, vae, family, unused)   # each part None where absent
    runtime.load_vae(path) -> Autoencoder
    runtime.warm_up()                                   # imports what the first load would import: some seconds
    runtime.free(nbytes) -> int; runtime.unload_all(); runtime.loaded() -> list[Loaded]

`limner.diffusion.model.Model` (what a MODEL socket carries)::

    model.clone() -> Model                      # shares the network; own patches and options
    model.parameterization                      # `parameterization.Parameterization`: sigmas, timesteps, scaling
    model.latent                                # LatentFormat: channels, downscale, scale, rgb factors
    model.options: dict                         # ComfyUI's names: sampler_cfg_function, sampler_post_cfg_function, ...
    model.preview(denoised) -> uint8 [B, h, w, 3]   # latent to RGB, for pictures while sampling
    model.scale_in(latent) / model.scale_out(latent)   # LATENT samples <-> the space that the network samples in
    model.device, model.dtype, model.size

`limner.diffusion.text.TextEncoder` (CLIP)::

    text.clone(); text.with_layer(-2) -> TextEncoder        # CLIPSetLastLayer
    text.tokenize(prompt) -> list[list[(id or embedding vector, weight)]]   # one list of 77 a chunk
    text.encode(prompt) -> Conditioning                     # [[float32 [1, 77 * chunks, width], {"pooled_output": p}]]
    text.encode_tokens(tokens) -> Conditioning

`limner.diffusion.vae.Autoencoder` (VAE)::

    vae.decode(latent[B, 4, h, w]) -> image float32 [B, 8h, 8w, 3] in 0..1, on the CPU   # tiles when memory runs out
    vae.encode(image[B, H, W, 3]) -> latent float32 [B, 4, H/8, W/8]                      # crops to multiples of 8
    vae.decode_tiled(latent, tile=64, overlap=16); vae.encode_tiled(image, tile=512, overlap=64)
    vae.downscale (8), vae.channels (4)

`limner.diffusion.conditioning`: `Conditioning = list[[Tensor, dict]]` and, each returning a new list,
`combine(a, b)`, `concat(to, source)`, `average(to, source, strength)`,
`set_area(c, width, height, x, y, *, strength=1.0)`, `set_area_percentage(c, width, height, x, y, *, strength=1.0)`,
`set_area_strength(c, strength)`, `set_mask(c, mask, strength=1.0, to_bounds=False)`,
`set_timestep_range(c, start, end)`, `zero_out(c)`.

`limner.diffusion.guidance.Guide(model, positive, negative, cfg)`, a context manager that gives the denoiser::

    with Guide(model, positive, negative, cfg).prepare(noise, latent_image, noise_mask) as denoiser:
        denoised = denoiser(x, sigma)       # x [B, 4, h, w] in sampling space, sigma [B]; a `samplers.base.Denoiser`

`limner.diffusion.adapters`::

    lora = read_lora(path) -> Lora                                     # kohya, diffusers and LDM names
    patched = apply_lora(lora, model, text, strength_model, strength_text) -> Patched(model, text, unmatched)

`limner.diffusion.errors`: `DiffusionError`; below it `CheckpointError`, `AdapterError`, `EmbeddingError` and
`DeviceError`, each with `.problem` and `.remedy` for the user.
"""
