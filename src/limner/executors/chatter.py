"""A host's output, line by line, no faster than a log can take it.

So many lines a second are passed on, and a burst at first; of more, only how many there were. The last lines are kept
whatever happens: they may say why the host died.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import monotonic

LINES_A_SECOND = 200
BURST = 2_000
LONGEST_LINE = 16_384
LAST = 32


class Chatter:
    """Splits output into lines and holds back what is too much."""

    def __init__(self, words: deque[str], rate: float = LINES_A_SECOND, burst: int = BURST) -> None:
        """`words` gets all lines, of which it keeps the last."""
        self._words = words
        self._rate, self._burst = rate, burst
        self._allowed = float(burst)
        self._time = monotonic()
        self._rest = b""
        self._held_back = 0

    def take(self, chunk: bytes) -> Sequence[str]:
        """The lines to pass on; an empty chunk ends the output. A very long line comes in parts."""
        *whole, rest = (self._rest + chunk).split(b"\n")
        if not chunk and rest:
            whole, rest = [*whole, rest], b""
        lines = [part for line in whole for part in _parts(line)]
        *more, self._rest = _parts(rest)
        lines += more
        now = monotonic()
        self._allowed = min(float(self._burst), self._allowed + (now - self._time) * self._rate)
        self._time = now
        self._words.extend(map(_text, lines[-LAST:]))
        count = min(len(lines), int(self._allowed))
        self._allowed -= count
        told: list[str] = []
        if self._held_back and (count or not chunk):
            told.append(f"({self._held_back} lines left out: too many at once)")
            self._held_back = 0
        told += map(_text, lines[:count])
        self._held_back += len(lines) - count
        if not chunk and len(lines) > count:
            told.append(f"({self._held_back} lines left out: too many at once)")
        return told


def _parts(line: bytes) -> Sequence[bytes]:
    if len(line) <= LONGEST_LINE:
        return (line,)
    return [line[first : first + LONGEST_LINE] for first in range(0, len(line), LONGEST_LINE)]


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
