"""The `conditioning` menus."""
