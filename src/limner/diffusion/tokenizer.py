"""CLIP's tokenizer: byte-pair encoding of lower-case text (Radford et al. 2021, arXiv:2103.00020, section 2.4).

The list of merges comes out of the package instant-clip-tokenizer, which carries it as plain text inside its compiled
module. Token ids follow from it: 0..255 a byte, 256..511 a byte that ends a word, then one for each merge, then the
start and the end token. A smaller vocabulary of V tokens is the same with its list of merges cut: V - 514 merges, the
start token V - 2, the end token V - 1.
"""

import importlib.util
import mmap
from functools import cached_property
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

FULL_VOCABULARY = 49408
LENGTH = 77
"""Tokens that the text encoder takes at once, start and end among them."""

START_TEXT, END_TEXT = "<|startoftext|>", "<|endoftext|>"
_HEADER = b"#version: 0.2\n"
_WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


class ClipTokenizer:
    """Text to token ids, for a vocabulary of `vocabulary` tokens (515 to 49408)."""

    def __init__(self, vocabulary: int = FULL_VOCABULARY) -> None:
        if not 514 < vocabulary <= FULL_VOCABULARY:
            raise ValueError(f"a CLIP vocabulary has 515 to {FULL_VOCABULARY} tokens, not {vocabulary}")
        self.vocabulary = vocabulary
        self.start = vocabulary - 2
        self.end = vocabulary - 1

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without start and end tokens."""
        return list(self._bpe.encode(text, add_special_tokens=False).ids)

    def text(self, token: int) -> str:
        """What one token stands for, as the vocabulary writes it (`apple</w>`)."""
        return str(self._bpe.id_to_token(token) or "")

    @cached_property
    def _bpe(self) -> Tokenizer:
        merges = read_merges(self.vocabulary - 514)
        letters = _byte_letters()
        tokens = letters + [letter + "</w>" for letter in letters] + [first + second for first, second in merges]
        vocabulary = {token: number for number, token in enumerate([*tokens, START_TEXT, END_TEXT])}
        bpe = Tokenizer(
            models.BPE(
                vocab=vocabulary,
                merges=merges,
                unk_token=END_TEXT,
                continuing_subword_prefix="",
                end_of_word_suffix="</w>",
                fuse_unk=False,
            )
        )
        bpe.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
        bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
        bpe.add_special_tokens([AddedToken(START_TEXT, normalized=False), AddedToken(END_TEXT, normalized=False)])
        return bpe


def read_merges(count: int) -> list[tuple[str, str]]:
    """The first `count` merges of CLIP's vocabulary. Raises RuntimeError where the package does not carry them."""
    remedy = "reinstall the package instant-clip-tokenizer"
    spec = importlib.util.find_spec("instant_clip_tokenizer")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    for file in sorted(path for folder in folders for path in folder.iterdir() if path.suffix in (".so", ".pyd")):
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            start = data.find(_HEADER)
            if start < 0:
                continue
            data.seek(start + len(_HEADER))
            pairs = [data.readline().decode("utf-8").split() for _ in range(count)]
        if all(len(pair) == 2 for pair in pairs):
            return [(first, second) for first, second in pairs]
    raise RuntimeError(f"CLIP's vocabulary is not there: {remedy}")


def _byte_letters() -> list[str]:
    """A visible character for each byte, in the order of the ids: those that are visible themselves come first."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in set(visible)]
    return [chr(byte) for byte in visible] + [chr(256 + number) for number in range(len(hidden))]
