"""Standard logging and structlog come out alike, from the level on."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog

from limner.telemetry import logs, marks
from limner.telemetry.context import in_run
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


def configured(form: str) -> io.StringIO:
    stream = io.StringIO()
    logs.configure("INFO", stream, form)
    return stream


def test_json_lines_have_time_level_logger_event_run_and_values(stream: io.StringIO) -> None:
    stream = configured(logs.JSON)
    with in_run("r1"):
        logging.getLogger("some.library").warning("disk is %s", "full", extra={"left": 3})
        structlog.get_logger("ours").info("größer", path=Path("/a"))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert list(first)[:5] == ["time", "level", "logger", "event", "run"]
    assert (first["level"], first["logger"], first["event"], first["run"], first["left"]) == (
        "warning",
        "some.library",
        "disk is full",
        "r1",
        3,
    )
    assert datetime.fromisoformat(first["time"]).utcoffset() == timedelta(0)
    assert (second["event"], second["path"], second["run"]) == ("größer", "/a", "r1")


def test_a_traceback_is_one_value_of_a_json_line(stream: io.StringIO) -> None:
    stream = configured(logs.JSON)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("some.library").exception("it failed")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["exception"].endswith("ValueError: broken")


def test_a_host_s_lines_are_read_by_the_server(stream: io.StringIO) -> None:
    stream = configured(logs.HOST)
    with in_run("r1"):
        logging.getLogger("a.pack").error("broke", extra={"left": 3})
    line, rest = stream.getvalue().split("\n")
    said = marks.read(line)
    assert rest == ""
    assert (said.text, said.run, said.level, said.logger) == ("broke", "r1", logging.ERROR, "a.pack")
    assert said.values == {"left": 3}


def test_people_are_not_told_twice_what_the_text_says(stream: io.StringIO) -> None:
    with in_run("r1"):
        logging.getLogger("x").info("run r1 done in 2.5 s", extra={"status": "done", "seconds": 2.5})
        logging.getLogger("x").info("loading")
    first, second = stream.getvalue().splitlines()
    assert "run=" not in first and "status=" not in first and "seconds=" not in first
    assert second.endswith("run=r1")
