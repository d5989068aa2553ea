"""The `image` menu."""
