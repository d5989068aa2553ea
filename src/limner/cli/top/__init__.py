"""`limner top`: what a running server does, in the terminal."""

from .command import command

__all__ = ["command"]
