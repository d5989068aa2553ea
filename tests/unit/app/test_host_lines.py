"""Lines of hosts in the server's log."""

from __future__ import annotations

import logging

import pytest

from limner.app.host_lines import logged
from limner.telemetry.marks import RS, US, log_line


def test_a_printed_line_is_logged_with_its_run_and_host(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logged("own")(f"{RS}r1{US}hello 100%")
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("limner.host", "INFO", "own: hello 100%")
    assert record.run == "r1" and record.host == "own"  # type: ignore[attr-defined]


def test_a_line_of_a_thread_belongs_to_the_one_run_that_the_host_works_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logged("", lambda: "r2")("from a thread")
        logged("", lambda: "r2")(f"{RS}r1{US}marked")
    assert [record.run for record in caplog.records] == ["r2", "r1"]  # type: ignore[attr-defined]


def test_a_log_line_comes_out_as_if_it_were_logged_here(caplog: pytest.LogCaptureFixture) -> None:
    line = log_line(
        {"event": "broke", "level": "error", "logger": "a.pack", "exception": "E: x", "left": 3, "name": "evil"}
    )
    with caplog.at_level(logging.INFO):
        logged("")(line)
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("a.pack", "ERROR", "broke")
    assert (record.exception, record.left) == ("E: x", 3)  # type: ignore[attr-defined]


def test_what_a_pack_wants_heard_is_heard_whatever_its_level(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("a.pack").setLevel(logging.WARNING)
    try:
        logged("")(log_line({"event": "detail", "level": "debug", "logger": "a.pack"}))
    finally:
        logging.getLogger("a.pack").setLevel(logging.NOTSET)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("DEBUG", "detail")
