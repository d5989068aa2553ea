"""The `loaders` menu."""
