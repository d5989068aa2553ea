"""CLIP's tokenizer: the real ids, and smaller vocabularies."""

import json
from pathlib import Path

import pytest
from instant_clip_tokenizer import Tokenizer as Reference

from limner.diffusion.chunks import chunk
from limner.diffusion.tokenizer import ClipTokenizer

PARITY = Path(__file__).parents[2] / "fixtures" / "sd15" / "parity.json"
CASES = {name: case for name, case in json.loads(PARITY.read_text())["cases"].items() if name.startswith("text/")}


@pytest.fixture(scope="module")
def full() -> ClipTokenizer:
    return ClipTokenizer()


@pytest.mark.parametrize("name", CASES)
def test_recorded_prompts(full: ClipTokenizer, name: str) -> None:
    chunks = chunk(CASES[name]["prompt"], full, lambda _: None)
    assert [[token for token, _ in tokens] for tokens in chunks] == CASES[name]["tokens"]
    for tokens, weights in zip(chunks, CASES[name]["weights"], strict=True):
        assert [weight for _, weight in tokens] == pytest.approx(weights)


@pytest.mark.parametrize(
    "text",
    [
        "a photo of an Astronaut riding a horse, 8k, trending!!",
        "it's 3 o'clock & the café is closed",
        "  many   spaces\nand\tlines ",
        "日本 🍎 antidisestablishmentarianism",
        "snake_case and 1234 numbers",
    ],
)
def test_ids_agree_with_another_implementation(full: ClipTokenizer, text: str) -> None:
    assert full.ids(text) == Reference().encode(text)


def test_a_smaller_vocabulary_cuts_the_merges(full: ClipTokenizer) -> None:
    small = ClipTokenizer(8192)
    assert (small.start, small.end) == (8190, 8191)
    assert small.ids("red apple") == full.ids("red apple") == [736, 3055]
    long = small.ids("antidisestablishmentarianism")
    assert len(long) > len(full.ids("antidisestablishmentarianism"))
    assert max(long) < small.start
    assert "".join(small.text(token) for token in long) == "antidisestablishmentarianism</w>"


def test_special_tokens_in_text(full: ClipTokenizer) -> None:
    assert full.ids("a <|endoftext|>")[-1] == full.end == 49407


@pytest.mark.parametrize("size", [514, 49409])
def test_impossible_vocabularies_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="515 to 49408"):
        ClipTokenizer(size)
