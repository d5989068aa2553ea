"""What the script `pip` calls."""

from ... import main

__all__ = ["main"]
