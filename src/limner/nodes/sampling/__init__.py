"""The `sampling` menus."""
