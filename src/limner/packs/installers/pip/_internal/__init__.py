"""Where code that calls pip by its inner names looks for it."""

from .. import main

__all__ = ["main"]
