"""The `mask` menu."""
