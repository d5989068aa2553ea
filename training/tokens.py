"""CLIP's byte-pair tokenizer with its merge list cut short to a smaller vocabulary."""

import html
import json
import re
from functools import cache
from importlib import util
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

LENGTH = 77
HEADER = b"#version: 0.2\n"
PATTERN = re.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+",
    re.IGNORECASE,
)

EXAMPLES = (
    "red apple",
    "cat face, fluent style",
    "rocket",
    "a slice of pizza on a plate, noto style",
    "Smiling Face with   Sunglasses",
    "unicorn (magic) twemoji style!",
    "it's 3 o'clock & the café is closed",
    "jack-o-lantern, halloween, pumpkin",
    "",
    "日本 🍎 antidisestablishmentarianism",
)


def byte_symbols() -> list[str]:
    """CLIP's printable stand-ins for the 256 byte values, in the order of the vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def symbol_of_byte() -> dict[int, str]:
    """The stand-in of each byte value."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return dict(zip([*printable, *others], byte_symbols(), strict=True))


def read_merges(count: int) -> list[tuple[str, str]]:
    """The first merges of the CLIP vocabulary that `instant_clip_tokenizer` carries."""
    spec = util.find_spec("instant_clip_tokenizer")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package instant-clip-tokenizer is not installed")
    for library in sorted(Path(spec.origin).parent.glob("instant_clip_tokenizer.*.so")):
        content = library.read_bytes()
        start = content.find(HEADER)
        if start >= 0:
            text = content[start + len(HEADER) : start + 600_000].decode("utf-8", "ignore")
            lines = text.split("\n", count)[:count]
            return [(left, right) for left, right in (line.split() for line in lines)]
    raise RuntimeError("instant-clip-tokenizer carries no vocabulary")


class Tokenizer:
    """Prompts to ids: bytes, bytes that end a word, merges, then start and end."""

    def __init__(self, vocab_size: int = 8192) -> None:
        merges = read_merges(vocab_size - 512 - 2)
        symbols = byte_symbols()
        vocabulary = [*symbols, *(s + "</w>" for s in symbols), *(a + b for a, b in merges)]
        self.ids = {symbol: index for index, symbol in enumerate(vocabulary)}
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.bytes = symbol_of_byte()
        self.start, self.end = vocab_size - 2, vocab_size - 1
        self.word = cache(self._word)

    def _word(self, word: str) -> tuple[int, ...]:
        parts = [self.bytes[byte] for byte in word.encode()]
        parts[-1] += "</w>"
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            merged: list[str] = []
            for part in parts:
                if merged and (merged[-1], part) == best:
                    merged[-1] += part
                else:
                    merged.append(part)
            parts = merged
        return tuple(self.ids[part] for part in parts)

    def encode(self, prompt: str) -> list[int]:
        """Ids of a prompt without start, end and padding."""
        text = re.sub(r"\s+", " ", html.unescape(html.unescape(prompt))).strip().lower()
        return [index for word in PATTERN.findall(text) for index in self.word(word)]

    def padded(self, prompt: str) -> list[int]:
        """LENGTH ids: start, prompt (cut where too long), then end to the last place."""
        ids = [self.start, *self.encode(prompt)[: LENGTH - 2]]
        return ids + [self.end] * (LENGTH - len(ids))

    def batch(self, prompts: list[str]) -> Tensor:
        """Ids (N, 77) of several prompts."""
        return torch.tensor([self.padded(prompt) for prompt in prompts])


def main() -> None:
    """Write `tokenizer_examples.json`: prompts with their padded ids."""
    tokenizer = Tokenizer()
    examples = [{"prompt": prompt, "ids": tokenizer.padded(prompt)} for prompt in EXAMPLES]
    lines = ",\n".join(json.dumps(example, ensure_ascii=False) for example in examples)
    path = Path(__file__).with_name("tokenizer_examples.json")
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
