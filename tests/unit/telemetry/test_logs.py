"""Standard logging and structlog come out alike, from the level on."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from limner.telemetry import logs
from limner.telemetry.logbook import LogBook


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_both_kinds_of_loggers_write_level_event_and_values(stream: io.StringIO) -> None:
    logging.getLogger("some.library").warning("disk is %s", "full", extra={"left": 3})
    structlog.get_logger("ours").info("run finished", run="r1")
    first, second = stream.getvalue().splitlines()
    assert "[warning" in first and "disk is full" in first and "left=3" in first
    assert "[info" in second and "run finished" in second and "run=r1" in second


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    logging.getLogger("some.library").debug("no")
    logging.getLogger("aiohttp.access").info("GET /")
    assert stream.getvalue() == ""


def test_an_exception_is_told_once_in_plain_text(stream: io.StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("some.library").exception("it failed")
    assert "it failed" in stream.getvalue()
    assert stream.getvalue().count("ValueError: broken") == 1


def test_a_log_book_keeps_the_latest_lines_and_tells_watchers() -> None:
    book = LogBook(lambda time, text: text, size=2)
    logger = logging.getLogger("limner.test.logbook")
    logger.addHandler(book)
    logger.setLevel("INFO")
    seen: list[str] = []
    stop = book.watch(seen.append)
    try:
        for number in range(3):
            logger.info("line %d", number)
        stop()
        logger.info("unseen")
    finally:
        logger.removeHandler(book)
    assert book.lines() == ("info line 2", "info unseen")
    assert seen == ["info line 0", "info line 1", "info line 2"]
