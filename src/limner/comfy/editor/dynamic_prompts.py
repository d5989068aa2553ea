"""Texts with choices, `a {red|green} apple`, as the editor resolves them when a prompt is queued.

Rules: `//` to the end of a line and `/* */` are comments; choices may be nested; a backslash keeps `{`, `}` or `|`.
"""

from __future__ import annotations

import re
from random import Random

_COMMENT = re.compile(r"/\*[\s\S]*?\*/|//.*")
_ESCAPED = re.compile(r"\\([{}|])")
_INNERMOST = re.compile(r"(?<!\\)\{((?:\\.|[^{}\\])*)(?<!\\)\}", re.DOTALL)
_BAR = re.compile(r"(?<!\\)\|")


def choose(text: str, random: Random) -> str:
    """The text with comments taken out and one choice taken in every pair of braces."""
    text = _COMMENT.sub("", text)
    while True:
        text, count = _INNERMOST.subn(lambda match: random.choice(_BAR.split(match.group(1))), text)
        if not count:
            break
    return _ESCAPED.sub(r"\1", text)
