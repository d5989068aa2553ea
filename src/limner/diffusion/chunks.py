"""A prompt in chunks that the text encoder takes: start, up to 75 tokens, end, padding.

Pieces of one weight are kept in one chunk where they are shorter than eight tokens, and broken across chunks where
they are longer. `embedding:name` after a space, a line break or at the start of a piece stands for the vectors of that
name; a name that is not found is left out, with a warning.
"""

import re
import warnings
from collections.abc import Callable

import torch

from limner.diffusion.prompts import weighted
from limner.diffusion.tokenizer import LENGTH, ClipTokenizer

Token = int | torch.Tensor
"""A token's id, or the vector [width] that is used in its place."""

Chunk = list[tuple[Token, float]]

LONG_PIECE = 8
_MARK = "embedding:"


def chunk(prompt: str, tokenizer: ClipTokenizer, embedding: Callable[[str], torch.Tensor | None]) -> list[Chunk]:
    """Chunks of 77 weighted tokens, at least one. `embedding(name)` gives vectors [count, width] or None."""
    chunks: list[Chunk] = [[(tokenizer.start, 1.0)]]
    room = LENGTH - 1  # the last place of a chunk is the end token's
    for text, weight in weighted(prompt):
        for tokens in _groups(text, tokenizer, embedding):
            group: Chunk = [(token, weight) for token in tokens]
            long = len(group) >= LONG_PIECE
            while group:
                current = chunks[-1]
                free = room - len(current)
                if len(group) <= free:
                    current += group
                    break
                if long:
                    current += group[:free]
                    group = group[free:]
                chunks.append([(tokenizer.start, 1.0)])
    return [_padded(tokens, tokenizer.end) for tokens in chunks]


def empty(tokenizer: ClipTokenizer) -> Chunk:
    """The chunk of an empty prompt."""
    return _padded([(tokenizer.start, 1.0)], tokenizer.end)


def _padded(tokens: Chunk, end: int) -> Chunk:
    return tokens + [(end, 1.0)] * (LENGTH - len(tokens))


def _groups(text: str, tokenizer: ClipTokenizer, embedding: Callable[[str], torch.Tensor | None]) -> list[list[Token]]:
    groups: list[list[Token]] = []
    first, *marked = re.split(rf"[ \n]{_MARK}", text)
    pieces = [first, *(_MARK + piece for piece in marked)]
    for piece in pieces:
        rest = piece
        if piece.startswith(_MARK) and piece[len(_MARK) :].split():
            vectors, rest = _named(piece[len(_MARK) :], embedding)
            if vectors is not None:
                groups.append(list(vectors))
        if rest:
            groups.append(list(tokenizer.ids(rest)))
    return groups


def _named(piece: str, embedding: Callable[[str], torch.Tensor | None]) -> tuple[torch.Tensor | None, str]:
    name, *words = piece.split()
    rest = " ".join(words)
    vectors = embedding(name)
    bare = name.rstrip(",")
    if vectors is None and bare != name:
        vectors, rest = embedding(bare), f"{name[len(bare) :]} {rest}"
    if vectors is None:
        warnings.warn(f"There is no embedding {bare!r} that fits, so it is left out of the prompt", stacklevel=2)
    return vectors, rest
