"""Prompt weights: `(a:1.2)` weighs a by 1.2, `(a)` by 1.1, nested ones multiply; `\\(` and `\\)` are plain.

Square brackets have no meaning. A number replaces the weight that surrounds its group, it does not multiply with it.
A group that is never closed is plain text, and after a `)` too many the parentheses that pair with it are plain.
"""

import math

EMPHASIS = 1.1
_OPEN, _CLOSE = "\0\2", "\0\1"  # escaped parentheses while the others are read


def weighted(prompt: str, weight: float = 1.0, *, escaped: bool = False) -> list[tuple[str, float]]:
    """The pieces of a prompt with their weights, in order; pieces are not stripped and never empty.

    `weight` is that of what stands in no group. An `escaped` prompt has marks for plain parentheses, and keeps them.
    """
    pieces: list[tuple[str, float]] = []
    marked = prompt if escaped else prompt.replace("\\)", _CLOSE).replace("\\(", _OPEN)
    # A stack instead of recursion: a prompt may nest deeper than Python's calls.
    pending = [(item, weight) for item in reversed(groups(marked))]
    while pending:
        item, weight = pending.pop()
        if len(item) < 2 or item[0] != "(" or item[-1] != ")":
            pieces.append((item if escaped else item.replace(_CLOSE, ")").replace(_OPEN, "("), weight))
            continue
        inner, weight = _weight(item[1:-1], weight)
        pending += [(part, weight) for part in reversed(groups(inner))]
    return pieces


def groups(text: str) -> list[str]:
    """Outermost groups, with their parentheses, and the plain text between them."""
    items: list[str] = []
    start = depth = 0
    for index, character in enumerate(text):
        if character == "(":
            if depth == 0 and index > start:
                items.append(text[start:index])
                start = index
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                items.append(text[start : index + 1])
                start = index + 1
    return [*items, text[start:]] if start < len(text) else items


def _weight(group: str, weight: float) -> tuple[str, float]:
    head, colon, number = group.rpartition(":")
    if colon and head:
        try:
            given = float(number)
        except ValueError:
            return group, weight * EMPHASIS
        if math.isfinite(given):
            return head, given
    return group, weight * EMPHASIS
