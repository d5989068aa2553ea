"""Messages and what the engine knows -> bytes, and back.

Whole numbers beyond 64 bits, which msgpack lacks, travel as an extension.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

from limner.engine.ports import Ended, Inquiry, Previewed, Progressed, Report, Said, Segment, Started, Task
from limner.engine.values import Demand, Expansion, Failure, Gathered, Handle, Held, Values
from limner.graph import Graph, Link, Node

from . import protocol as p
from .plain import made_plain

BIG_INTEGER = 1
WIDEST, LOWEST = 2**64 - 1, -(2**63)


def _restore(code: int, data: memoryview) -> object:
    if code == BIG_INTEGER:
        return int.from_bytes(data, "big", signed=True)
    raise msgspec.ValidationError(f"unknown extension {code}")


_ENCODER = msgspec.msgpack.Encoder()
_TO_HOST: msgspec.msgpack.Decoder[p.ToHost] = msgspec.msgpack.Decoder(p.ToHost, ext_hook=_restore)
_FROM_HOST: msgspec.msgpack.Decoder[p.FromHost] = msgspec.msgpack.Decoder(p.FromHost, ext_hook=_restore)


def encode(message: p.ToHost | p.FromHost) -> bytes:
    """The frame of a message. Data in it that is not plain is sent as its text."""
    try:
        return _ENCODER.encode(message)
    except (OverflowError, UnicodeEncodeError, TypeError):
        return _ENCODER.encode(_sendable(message))


def decode_to_host(frame: bytes) -> p.ToHost:
    """Raises msgspec.MsgspecError for a frame that is no message."""
    return _TO_HOST.decode(frame)


def decode_from_host(frame: bytes) -> p.FromHost:
    """Raises msgspec.MsgspecError for a frame that is no message."""
    return _FROM_HOST.decode(frame)


def _sendable(value: Any) -> Any:
    """The same data with wide numbers as extensions, broken text mended, and live objects as their text."""
    if isinstance(value, bool) or value is None or isinstance(value, bytes | float):
        return value
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()
    if isinstance(value, int):
        if LOWEST <= value <= WIDEST:
            return value
        return msgspec.msgpack.Ext(BIG_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, msgspec.Struct):
        members = [_sendable(getattr(value, name)) for name in value.__struct_fields__]
        tag = value.__struct_config__.tag
        return members if tag is None else [tag, *members]
    if isinstance(value, Mapping):
        return {_sendable(key): _sendable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_sendable(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _sendable(getattr(value, field.name)) for field in fields(value)}
    return _sendable(made_plain(value))


def wire_inputs(inputs: Mapping[str, object]) -> p.Inputs:
    literals: dict[str, object] = {}
    held: dict[str, p.Place] = {}
    links: dict[str, p.Place] = {}
    gathered: dict[str, list[p.Place]] = {}
    for name, value in inputs.items():
        if isinstance(value, Held):
            held[name] = _place(value)
        elif isinstance(value, Link):
            links[name] = (value.node, value.output)
        elif isinstance(value, Gathered):
            gathered[name] = [_place(part) for part in value.parts]
        else:
            literals[name] = value
    return p.Inputs(literals, held, links, gathered)


def _place(value: Held) -> p.Place:
    return value.fingerprint, -1 - value.output if value.spread else value.output


def _held(fingerprint: str, output: int) -> Held:
    return Held(fingerprint, output) if output >= 0 else Held(fingerprint, -1 - output, spread=True)


def read_inputs(wire: p.Inputs) -> dict[str, object]:
    inputs: dict[str, object] = dict(wire.literals)
    for name, place in wire.held.items():
        inputs[name] = _held(*place)
    for name, place in wire.links.items():
        inputs[name] = Link(*place)
    for name, places in wire.gathered.items():
        inputs[name] = Gathered(tuple(_held(*place) for place in places))
    return inputs


def wire_segment(number: int, segment: Segment) -> p.Run:
    tasks = [
        p.WireTask(
            task.node,
            task.display_node,
            task.type,
            task.fingerprint,
            wire_inputs(task.inputs),
            task.lane,
            task.missing,
        )
        for task in segment.tasks
    ]
    return p.Run(number, segment.run, tasks, None if segment.hidden is None else dict(segment.hidden))


def read_segment(wire: p.Run) -> Segment:
    tasks = tuple(
        Task(
            task.node,
            task.display_node,
            task.type,
            task.fingerprint,
            read_inputs(task.inputs),
            task.missing,
            task.lane,
        )
        for task in wire.tasks
    )
    return Segment(wire.run, tasks, wire.hidden)


def wire_inquiries(inquiries: Iterable[Inquiry]) -> list[p.WireInquiry]:
    return [
        p.WireInquiry(i.node, i.type, dict(i.inputs), dict(i.input_types), i.validate, i.token, i.home)
        for i in inquiries
    ]


def read_inquiries(wire: Iterable[p.WireInquiry]) -> list[Inquiry]:
    return [Inquiry(i.node, i.type, i.inputs, i.input_types, i.validate, i.token, i.home) for i in wire]


def wire_reports(reports: Sequence[Report]) -> list[p.WireReport]:
    return [_wire_report(report) for report in reports]


def _wire_report(report: Report) -> p.WireReport:
    if isinstance(report, Ended):
        return _wire_end(report)
    if isinstance(report, Started):
        return p.WireStarted(report.node)
    if isinstance(report, Progressed):
        return p.WireProgressed(report.node, report.value, report.maximum, report.text)
    if isinstance(report, Previewed):
        return p.WirePreviewed(report.node, report.image, report.media_type)
    return p.Message(report.event, report.data, report.client)


def _wire_end(end: Ended) -> p.WireReport:
    result = end.result
    if isinstance(result, Values):
        handles = [p.WireHandle(handle.size, handle.length, handle.blocked) for handle in result.handles]
        ui = None if result.ui is None else dict(result.ui)
        return p.WireValues(end.node, handles, result.seconds, ui, result.blocked)
    if isinstance(result, Failure):
        return p.WireFailure(
            end.node,
            result.kind,
            result.message,
            result.remedy,
            result.traceback,
            dict(result.inputs),
            result.interrupted,
        )
    if isinstance(result, Demand):
        return p.WireDemand(end.node, result.inputs)
    nodes = [
        p.WireNode(node.id, node.type, wire_inputs(node.inputs), node.title, node.display)
        for node in result.graph.nodes.values()
    ]
    results = [[_wire_part(part) for part in _parts(entry)] for entry in result.results]
    return p.WireExpansion(end.node, nodes, results, None if result.ui is None else dict(result.ui))


def _parts(entry: object) -> tuple[object, ...]:
    return entry if isinstance(entry, tuple) else (entry,)


def _wire_part(part: object) -> p.WirePart:
    if isinstance(part, Link):
        return p.WirePart(part.output, part.node)
    assert isinstance(part, Handle)
    return p.WirePart(part.output, None, part.size, part.length, part.blocked)


def read_reports(wire: Iterable[p.WireReport], fingerprints: Mapping[str, str], place: str) -> list[Report]:
    """`fingerprints` are the segment's, by node; `place` is the host that reports."""
    return [_read_report(report, fingerprints, place) for report in wire]


def _read_report(wire: p.WireReport, fingerprints: Mapping[str, str], place: str) -> Report:
    if isinstance(wire, p.WireValues):
        fingerprint = fingerprints[wire.node]
        handles = tuple(
            Handle(fingerprint, number, place, handle.size, handle.length, handle.blocked)
            for number, handle in enumerate(wire.handles)
        )
        return Ended(wire.node, Values(handles, wire.ui, wire.seconds, wire.blocked))
    if isinstance(wire, p.WireStarted):
        return Started(wire.node)
    if isinstance(wire, p.WireProgressed):
        return Progressed(wire.node, wire.value, wire.maximum, wire.text)
    if isinstance(wire, p.WirePreviewed):
        return Previewed(wire.node, wire.image, wire.media_type)
    if isinstance(wire, p.Message):
        return Said(wire.event, wire.data, wire.client)
    if isinstance(wire, p.WireDemand):
        return Ended(wire.node, Demand(wire.inputs))
    if isinstance(wire, p.WireFailure):
        failure = Failure(
            wire.kind, wire.message, wire.remedy, wire.traceback, wire.inputs, wire.interrupted, wire.node
        )
        return Ended(wire.node, failure)
    graph = Graph.of(Node(n.id, n.type, read_inputs(n.inputs), n.title, n.display) for n in wire.nodes)
    results = tuple(_read_result(parts, fingerprints[wire.node], place) for parts in wire.results)
    return Ended(wire.node, Expansion(graph, results, wire.ui))


def _read_result(parts: Sequence[p.WirePart], fingerprint: str, place: str) -> object:
    read = tuple(
        Handle(fingerprint, part.output, place, part.size, part.length, part.blocked)
        if part.node is None
        else Link(part.node, part.output)
        for part in parts
    )
    return read[0] if len(read) == 1 else read
