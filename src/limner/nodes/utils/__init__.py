"""The `utils` menus."""
