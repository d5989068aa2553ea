"""The `audio` menu."""
