"""Where commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

from rich.console import Console


def output() -> Console:
    return Console(highlight=False, soft_wrap=True)


def errors() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)
