"""What crosses between server and host comes out as it went in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.engine.ports import Answer, Ended, Inquiry, Previewed, Progressed, Report, Said, Segment, Started, Task
from limner.engine.values import Demand, Expansion, Failure, Gathered, Handle, Held, Values
from limner.graph import FileChoices, Graph, Input, Lane, Link, Node, NodeSchema, Output, Presence, Traits
from limner.plugins import protocol as p
from limner.plugins.codec import (
    decode_from_host,
    decode_to_host,
    encode,
    read_inquiries,
    read_reports,
    read_segment,
    wire_inquiries,
    wire_reports,
    wire_segment,
)

FINGERPRINTS = {"1": "f1", "2": "f2"}


def reported(*reports: Report) -> list[Report]:
    message = decode_from_host(encode(p.Reports(1, wire_reports(reports))))
    assert isinstance(message, p.Reports)
    return read_reports(message.reports, FINGERPRINTS, "there")


def test_a_segment() -> None:
    inputs = {
        "number": 2**70,
        "text": "ü",
        "data": {"a": [1, None]},
        "held": Held("f0", 2),
        "link": Link("9", 1),
        "many": Gathered((Held("a", 0), Held("b", 1), Held("c", 0, spread=True), Held("d", 3, spread=True))),
        "opened": Held("e", 0, spread=True),
    }
    tasks = (Task("1", "d", "T", "f1", inputs, ("lazy",), Lane.CPU), Task("2", "2", "T", "f2", {}))
    segment = Segment("run", tasks, {"prompt": {"1": {"inputs": {"x": [1.5, -(2**80)]}}}})
    message = decode_to_host(encode(wire_segment(7, segment)))
    assert isinstance(message, p.Run)
    assert message.id == 7
    assert read_segment(message) == segment
    assert read_segment(decode_to_host(encode(wire_segment(1, Segment("r", ()))))) == Segment("r", ())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "report",
    [
        Started("1"),
        Progressed("1", 0.5, 10.0, "half"),
        Previewed("1", b"\x00\xff", "image/png"),
        Said("event", {"a": [1]}, "client"),
        Said("event", [b"bytes"]),
        Ended("1", Demand(("a", "b"))),
        Ended("1", Values((), {"images": [{"filename": "a.png"}]}, 0.25, ("stop",))),
        Ended("2", Values((Handle("f2", 0, "there", 5, 2), Handle("f2", 1, "there", 0, 1, "no")))),
        Ended("1", Failure("ValueError", "bad", "do", ("line",), {"a": [1, "x"]}, False, "1")),
        Ended("1", Failure("Cancelled", "stop", interrupted=True, node="1")),
    ],
)
def test_reports(report: Report) -> None:
    assert reported(report) == [report]


def test_an_expansion() -> None:
    graph = Graph.of(
        [Node("1.a", "T", {"x": Held("f1", 3), "y": Link("1.b", 0), "z": [1]}, display="7"), Node("1.b", "U")]
    )
    results = (Link("1.a", 0), Handle("f1", 4, "there", 9, 2), (Link("1.b", 1), Handle("f1", 5, "there", 1)))
    (report,) = reported(Ended("1", Expansion(graph, results, {"text": ["x"]})))
    assert isinstance(report, Ended) and isinstance(report.result, Expansion)
    assert dict(report.result.graph.nodes) == dict(graph.nodes)
    assert report.result.results == results
    assert report.result.ui == {"text": ["x"]}


def test_schemas_and_answers() -> None:
    schema = NodeSchema(
        "T",
        (
            Input("a", "COMBO", choices=(1, "b", True)),
            Input("f", "COMBO", Presence.OPTIONAL, FileChoices("loras", after=("x",)), {"default": 2**64}),
        ),
        (Output("o", "INT", True, "tip", ("x",)),),
        Traits(output=True, lane=Lane.IO, validated_inputs=("a",)),
        info={"essentials_category": "x"},
        v3=True,
    )
    ready = decode_from_host(encode(p.Ready([schema], [("pack", "why")])))
    assert isinstance(ready, p.Ready)
    assert (ready.schemas, ready.problems) == ([schema], [("pack", "why")])
    answers = decode_from_host(encode(p.Answers(1, [Answer("1", "", {"t": [1]})])))
    assert isinstance(answers, p.Answers) and answers.answers == [Answer("1", "", {"t": [1]})]
    inquiries = [Inquiry("1", "T", {"a": 2**65}, {"b": "IMAGE"}, True, True)]
    asked = decode_to_host(encode(p.Inquire(3, "run", wire_inquiries(inquiries))))
    assert isinstance(asked, p.Inquire) and read_inquiries(asked.inquiries) == inquiries


class Odd:
    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize(
    ("data", "arrives"),
    [({"x": Odd()}, {"x": "odd"}), ({"x": "a\udcffb"}, {"x": "a?b"}), ({"x": {(1, 2): 3}}, None)],
)
def test_a_message_is_always_sent(data: Any, arrives: object) -> None:
    """A node may say anything: nothing of it may keep its end from being reported."""
    message = decode_from_host(encode(p.Told(1, data)))
    assert isinstance(message, p.Told)
    if arrives is not None:
        assert message.data == arrives


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**90), 2**90) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_json_arrives_unchanged(value: object) -> None:
    message = decode_to_host(encode(p.Ask(1, "topic", value)))
    assert isinstance(message, p.Ask)
    assert message.data == value
