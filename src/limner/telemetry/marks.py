"""What a host prints, with what is known of each line: the run that printed it, and of log lines level and logger too.

A host's output is one stream of lines that the server reads. `mark_output()` makes the host's prints name the run that
the printing code works for; `log_line(...)` is a log line as one line of JSON. The server takes both apart with
`read(line)`; lines of native libraries, other threads and other programs stay as they are.

The form: RS (the record separator of RFC 7464) and JSON with `event`, `level`, ... for a log line; RS, the run, US and
the text for a printed one. Standard library only: hosts of other Pythons import it.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO

from .context import RUN

RS, US = "\x1e", "\x1f"
LONGEST = 12_000
"""Characters of one text in a log line: lines beyond what a server takes at once are cut there."""
PRINTED = "INFO"
"""The level of what is printed."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a host. What is printed has a text, and a run if that is known; `values` are what a log line adds."""

    text: str
    run: str = ""
    level: int = logging.INFO
    logger: str = ""
    exception: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


class MarkedStream(io.TextIOWrapper):
    """Writes to the buffer of another stream; a line that begins while a run is known has that run before it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream.buffer, stream.encoding, stream.errors, write_through=True)
        self._begins = True
        """Whether the next character begins a line."""

    def write(self, text: str, /) -> int:
        if not text:
            return 0
        run, written = RUN.get(), text.replace(RS, "")
        if run and run.isprintable() and written:
            mark = f"{RS}{run}{US}"
            head = mark if self._begins and not written.startswith("\n") else ""
            written = head + written[:-1].replace("\n", f"\n{mark}") + written[-1:]
        self._begins = text.endswith("\n")
        super().write(written)
        return len(text)

    def write_line(self, line: str) -> None:
        """A whole line, as it is."""
        super().write(f"{line}\n" if self._begins else f"\n{line}\n")
        self._begins = True

    def close(self) -> None:
        """The buffer is that of the process; whoever drops this stream must not take it away."""
        self.flush()


def mark_output() -> None:
    """From now on what this process prints names its run. Call it before anything keeps `sys.stdout`."""
    sys.stdout, sys.stderr = MarkedStream(sys.stdout), MarkedStream(sys.stderr)


def log_line(values: Mapping[str, object]) -> str:
    """A log line for the server: `event`, `level`, and what else is known (`run`, `logger`, `exception`, ...)."""
    short = {key: value[-LONGEST:] if isinstance(value, str) else value for key, value in values.items()}
    return RS + json.dumps(short, default=str)


def read(line: str) -> Line:
    """What is known of a line; one in no form of ours is its own text."""
    before, mark, last = line.rpartition(RS)
    if not mark:
        return Line(line)
    if last.startswith("{"):
        return _logged(read(before).text, last) or Line(line.replace(RS, ""))
    run, separator, text = last.partition(US)
    return Line(read(before).text + text, run) if separator else Line(before + last)


def plain(line: str) -> str:
    """The text of a line alone, and the end of its traceback where it has one."""
    found = read(line)
    return found.exception.strip().splitlines()[-1] if found.exception.strip() else found.text


def _logged(before: str, marked: str) -> Line | None:
    try:
        values = json.loads(marked)
        level = logging.getLevelNamesMapping()[str(values.get("level", PRINTED)).upper()]
        text = str(values["event"])
    except (ValueError, KeyError, TypeError):
        return None
    run, logger, exception = (str(values.get(key, "")) for key in ("run", "logger", "exception"))
    return Line(before + text, run, level, logger, exception, {k: v for k, v in values.items() if k not in _KNOWN})


_KNOWN = frozenset({"event", "level", "run", "logger", "exception", "time"})
