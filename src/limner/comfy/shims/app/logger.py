"""ComfyUI's `app.logger`."""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime
from typing import Any

_lines: deque[dict[str, str]] = deque(maxlen=300)


class _Keeper(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _lines.append({"t": datetime.fromtimestamp(record.created).isoformat(), "m": self.format(record) + "\n"})


logging.getLogger().addHandler(_Keeper())


def get_logs() -> list[dict[str, Any]]:
    """The latest log lines of this host, from when a pack first asked."""
    return list(_lines)


def on_flush(callback: Any) -> None:
    """Nothing: lines are not flushed in bulk."""


def setup_logger(log_level: str = "INFO", capacity: int = 300, use_stdout: bool = False) -> None:
    """Nothing: the host has its own logging."""
