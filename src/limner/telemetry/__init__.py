"""Logs. `logs.configure(level)` once a process; modules then use `logging.getLogger(__name__)` or structlog alike."""
