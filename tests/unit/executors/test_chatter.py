"""How a host's output is split, and held back where it is too much."""

from __future__ import annotations

from collections import deque

from limner.executors.chatter import LAST, LONGEST_LINE, Chatter


def test_lines_are_joined_over_chunks() -> None:
    chatter = Chatter(deque(maxlen=LAST))
    assert list(chatter.take(b"one\ntw")) == ["one"]
    assert list(chatter.take(b"o\r\nthree")) == ["two"]
    assert list(chatter.take(b"")) == ["three"]


def test_a_very_long_line_comes_in_parts() -> None:
    chatter = Chatter(deque(maxlen=LAST))
    parts = [*chatter.take(b"x" * (LONGEST_LINE + 1)), *chatter.take(b"")]
    assert [len(part) for part in parts] == [LONGEST_LINE, 1]


def test_what_is_too_much_is_counted_and_its_last_lines_are_kept() -> None:
    words: deque[str] = deque(maxlen=LAST)
    chatter = Chatter(words, rate=0, burst=3)
    output = b"".join(b"%d\n" % number for number in range(100))
    assert list(chatter.take(output)) == ["0", "1", "2"]
    assert list(chatter.take(b"")) == ["(97 lines left out: too many at once)"]
    assert words[-1] == "99"
