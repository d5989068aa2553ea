"""A node library that does everything a node can do, and a host process of it: `python -m tests.support.host_nodes`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from limner.graph import Graph, Link, Node
from limner.plugins.host import HostCore
from limner.plugins.lanes import Lanes
from limner.plugins.library import Library, LoadProblem
from limner.plugins.serve import serve
from limner.plugins.services import Services
from limner.sdk import (
    Anything,
    Blocked,
    Cancelled,
    Int,
    NodeContext,
    Options,
    Progress,
    Result,
    Socket,
    node,
    nodes_in,
)


class Thing:
    """A live object."""

    def __init__(self, value: int) -> None:
        self.value = value


class Counter:
    """A service that counts."""

    def __init__(self) -> None:
        self.count = 0


@node(type="Add")
def add(a: int, b: int) -> int:
    return a + b


@node(type="Divide")
def divide(a: int, b: int) -> tuple[int, int]:
    return a // b, a % b


@node(type="Sum", list_wise=True)
def sum_of(values: list[int]) -> int:
    return sum(values)


@node(type="Range")
def count_to(n: int) -> list[int]:
    return list(range(n))


@node(type="Show", output_node=True)
def show(value: Anything, ctx: NodeContext) -> Result:
    return Result(ui={"value": [value], "hidden": [dict(ctx.hidden)]})


@node(type="Text")
def text(value: Anything) -> str:
    return f"{type(value).__name__} {value}"


@node(type="MakeThing")
def make_thing(value: int) -> Annotated[Thing, Socket("THING")]:
    return Thing(value)


@node(type="OpenThing")
def open_thing(thing: Annotated[Thing, Socket("THING")]) -> int:
    return thing.value


@node(type="Long")
def long(size: int) -> str:
    return "x" * size


@node(type="Length")
def length(text: str) -> int:
    return len(text)


@node(type="Process")
def process(value: Anything) -> int:
    """The process that it runs in, whatever the value is."""
    return os.getpid()


@node(type="Block")
def block(message: str) -> Annotated[int, Socket("INT")] | Blocked:
    return Blocked(message or None)


@node(type="WrongCount", outputs=("INT", "INT"))
def wrong_count() -> Result:
    return Result((1,))


def wants(inputs: Mapping[str, object], missing: Sequence[str]) -> Sequence[str]:
    return [name for name in missing if name == ("a" if inputs["first"] else "b")]


@node(type="Switch", needs=wants)
def switch(
    first: bool,
    a: Annotated[int, Options(lazy=True)] | None = None,
    b: Annotated[int, Options(lazy=True)] | None = None,
) -> Anything:
    return a if first else b


@node(type="Expand", outputs=("INT", "THING", "INT"))
def expand(n: int, ctx: NodeContext) -> Result:
    graph = Graph.of(
        [
            Node(f"{ctx.node}.sum", "Add", {"a": n, "b": 1}),
            Node(f"{ctx.node}.open", "OpenThing", {"thing": Thing(n)}, display="shown"),
        ]
    )
    return Result((Link(f"{ctx.node}.sum", 0), Thing(n), Link(f"{ctx.node}.open", 0)), expand=graph)


@node(type="Steps")
def steps(n: Annotated[int, Int(default=3)], seconds: float = 0.0) -> Generator[Progress, None, int]:
    for step in range(n):
        time.sleep(seconds)
        yield Progress(step + 1, n, preview=b"picture" if step == n - 1 else None)
    return n


@node(type="SleepAsync")
async def sleep_async(value: int, seconds: float) -> int:
    await asyncio.sleep(seconds)
    return value


@node(type="FailAsync")
async def fail_async() -> int:
    await asyncio.sleep(0)
    raise ValueError("async trouble")


@node(type="SleepCpu", lane="cpu")
def sleep_cpu(value: int, seconds: float) -> int:
    time.sleep(seconds)
    return value


@node(type="Meet", lane="cpu")
def meet(folder: str, name: str, other: str) -> str:
    """Ends when both have come: two of them must overlap."""
    mine, theirs = Path(folder, name), Path(folder, other)
    mine.touch()
    deadline = time.monotonic() + 20
    while not theirs.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{other} did not come")
        time.sleep(0.005)
    return name


@node(type="Hang")
def hang(marker: str) -> int:
    """Never looks whether it was interrupted."""
    Path(marker).touch()
    time.sleep(120)
    return 0


@node(type="Kill")
def kill() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@node(type="Leave")
def leave() -> int:
    os._exit(7)


@node(type="SysExit")
def sys_exit() -> int:
    sys.exit(5)


@node(type="Print")
def print_lines(lines: int, length: int) -> int:
    for line in range(lines):
        print(f"{line} " + "x" * length)
    os.write(2, b"from below python\n")
    return lines


@node(type="Tell")
def tell(ctx: NodeContext) -> int:
    counter = ctx.service(Counter)
    counter.count += 1
    return counter.count


@node(type="Folder")
def folder(ctx: NodeContext) -> str:
    place = ctx.temporary_folder()
    (place / "file").write_text("x")
    return str(place)


@node(type="Stop")
def stop() -> int:
    raise Cancelled("of its own accord")


@node(
    type="Checked",
    validate=lambda value: None if value > 0 else f"{value} is not above 0",
    change_token=lambda value: value * 2,
)
def checked(value: int) -> int:
    return value


@node(type="BadToken", change_token=lambda value: 1 // value)
def bad_token(value: int) -> int:
    return value


def library() -> Library:
    return Library(nodes_in([sys.modules[__name__]]), [LoadProblem("broken_pack", "it is broken")])


def core(*, device_thread: bool) -> HostCore:
    handlers = {"double": lambda data: data * 2, "fail": lambda data: 1 // 0}
    return HostCore(library(), Services(Counter()), lanes=Lanes(device_thread=device_thread), handlers=handlers)


if __name__ == "__main__":
    if "--broken" in sys.argv:
        raise SystemExit(serve(lambda loading: (_ for _ in ()).throw(ImportError("no such library"))))
    if "--dead" in sys.argv:
        raise SystemExit("dead on arrival")
    if "--fragile" in sys.argv:
        raise SystemExit(serve(lambda loading: (loading("fragile_pack"), os._exit(9))[1]))
    raise SystemExit(serve(lambda loading: core(device_thread=False)))
