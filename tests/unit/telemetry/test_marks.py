"""Lines of a host: what it prints and logs, and what the server reads of that."""

from __future__ import annotations

import io
import json
import logging
import threading

import pytest

from limner.telemetry.context import in_run
from limner.telemetry.marks import LONGEST, RS, US, Line, MarkedStream, log_line, plain, read


class Host:
    """A marked stream and the lines that came of it."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._inner = io.TextIOWrapper(self._bytes, "utf-8")  # as sys.__stdout__ stays
        self.stream = MarkedStream(self._inner)

    def lines(self) -> list[Line]:
        self.stream.flush()
        return [read(line) for line in self._bytes.getvalue().decode().split("\n")[:-1]]


@pytest.fixture
def host() -> Host:
    return Host()


def test_what_is_printed_in_a_run_names_it_and_outside_nothing_is_added(host: Host) -> None:
    print("before", file=host.stream)
    with in_run("r1"):
        print("two", "words", file=host.stream)
    print("after", file=host.stream)
    assert host.lines() == [Line("before"), Line("two words", "r1"), Line("after")]


def test_each_of_several_lines_names_the_run(host: Host) -> None:
    with in_run("r1"):
        host.stream.write("one\ntwo\n")
        host.stream.write("begun ")
        host.stream.write("and ended\n\nlast\n")
    texts = [(line.text, line.run) for line in host.lines()]
    assert texts == [("one", "r1"), ("two", "r1"), ("begun and ended", "r1"), ("", "r1"), ("last", "r1")]


def test_tasks_of_two_runs_do_not_mix(host: Host) -> None:
    def work(run: str) -> None:
        with in_run(run):
            for number in range(50):
                host.stream.write(f"{run} {number}\n")

    threads = [threading.Thread(target=work, args=(run,)) for run in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = host.lines()
    assert len(lines) == 100 and all(line.text.split()[0] == line.run for line in lines)


def test_nobody_can_print_as_another_run(host: Host) -> None:
    with in_run("mine"):
        print(f"{RS}yours{US}text", file=host.stream)
        print(log_line({"event": "x", "run": "yours"}), file=host.stream)
    assert {line.run for line in host.lines()} == {"mine"}


def test_a_log_line_keeps_level_logger_run_traceback_and_values() -> None:
    line = log_line(
        {"event": "it broke", "level": "warning", "logger": "pack", "run": "r", "exception": "T\nE: x", "left": 3}
    )
    assert "\n" not in line
    assert read(line) == Line("it broke", "r", logging.WARNING, "pack", "T\nE: x", {"left": 3})


def test_what_was_printed_without_an_end_stands_before_a_log_line(host: Host) -> None:
    with in_run("r"):
        host.stream.write("no end")
        host.stream.write_line(log_line({"event": "logged", "level": "info"}))
        host.stream.write("next\n")
    assert [line.text for line in host.lines()] == ["no end", "logged", "next"]


@pytest.mark.parametrize(
    "line", ["", "plain", "{}", f"{RS}", f"{RS}{{broken", f"{RS}run", f"{RS}[1]", f'{RS}{{"level": "info"}}']
)
def test_lines_of_no_form_are_their_own_text(line: str) -> None:
    assert read(line) == Line(line.replace(RS, ""))


def test_a_level_that_is_none_is_no_log_line() -> None:
    assert read(log_line({"event": "x", "level": "shouting"})).level == logging.INFO


def test_a_log_line_of_megabytes_is_cut_at_its_beginning() -> None:
    line = log_line({"event": "x" * 1_000_000 + "end"})
    assert len(line) < LONGEST + 100
    assert json.loads(line[1:])["event"].endswith("end")


def test_the_text_alone_and_the_end_of_a_traceback() -> None:
    assert plain(f"{RS}r{US}hello") == "hello"
    assert plain(log_line({"event": "failed", "exception": "Traceback\n  x\nValueError: no"})) == "ValueError: no"


def test_the_output_stays_open_when_the_stream_is_dropped() -> None:
    raw = io.BytesIO()
    inner = io.TextIOWrapper(raw, "utf-8")
    MarkedStream(inner).close()
    inner.write("still")
    inner.flush()
    assert raw.getvalue() == b"still"
