"""ComfyUI's `comfy.sd1_clip`: weights in prompts."""

from __future__ import annotations

from limner.diffusion.prompts import groups, weighted


def escape_important(text: str) -> str:
    """Parentheses behind a backslash as marks, so that they weigh nothing."""
    return text.replace("\\)", "\0\1").replace("\\(", "\0\2")


def unescape_important(text: str) -> str:
    """The marks as parentheses."""
    return text.replace("\0\1", ")").replace("\0\2", "(")


def parse_parentheses(string: str) -> list[str]:
    """The outermost groups, with their parentheses, and the text between them."""
    return groups(string)


def token_weights(string: str, current_weight: float) -> list[tuple[str, float]]:
    """The pieces of a text with their weights; marks stay."""
    return weighted(string, current_weight, escaped=True)
