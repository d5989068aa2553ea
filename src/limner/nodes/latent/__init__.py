"""The `latent` menu."""
