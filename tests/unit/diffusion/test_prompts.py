"""Prompt weights."""

import pytest

from limner.diffusion.prompts import weighted


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("", []),
        ("a cat", [("a cat", 1.0)]),
        ("a (red:1.4) cat", [("a ", 1.0), ("red", 1.4), (" cat", 1.0)]),
        ("(a)", [("a", 1.1)]),
        ("((a))", [("a", 1.21)]),
        ("(a (b:1.5) c:0.5)", [("a ", 0.5), ("b", 1.5), (" c", 0.5)]),
        ("((a:2))", [("a", 2.0)]),
        ("[a]", [("[a]", 1.0)]),
        (r"\(a\) (b\))", [("(a) ", 1.0), ("b)", 1.1)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(12:30:0.5)", [("12:30", 0.5)]),
        ("(:1.5)", [(":1.5", 1.1)]),
        ("(a:nan)", [("a:nan", 1.1)]),
        ("(a:-1)", [("a", -1.0)]),
        ("a) b (c)", [("a) b (c)", 1.0)]),
        ("(a", [("(a", 1.0)]),
        ("a (b (c)", [("a ", 1.0), ("b ", 1.1), ("(c", 1.1)]),
        ("()", []),
    ],
)
def test_pieces(prompt: str, pieces: list[tuple[str, float]]) -> None:
    found = weighted(prompt)
    assert [text for text, _ in found] == [text for text, _ in pieces]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in pieces])


def test_nesting_has_no_limit() -> None:
    (piece,) = weighted("(" * 3000 + "a" + ":1.5)" + ")" * 2999)
    assert piece == ("a", 1.5)
