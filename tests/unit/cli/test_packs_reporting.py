"""What `limner packs check` prints, in the order in which its reader needs it."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from limner.cli.packs.reporting import MOST, print_report
from limner.packs.report import Doing, Missing, Patch, Report, Requirement


def printed(report: Report) -> str:
    console = Console(file=StringIO(), highlight=False, soft_wrap=True)
    print_report(console, report)
    text = console.file
    assert isinstance(text, StringIO)
    return text.getvalue()


def test_a_pack_that_does_nothing_else() -> None:
    text = printed(Report("quiet", 0.123, nodes=["One"], refused="the network"))
    assert text.splitlines() == [
        "quiet  loads: 1 node, imported in 0.12 s",
        "nodes       One",
        "While it is imported, it does nothing but define its nodes.",
    ]


def test_everything_else() -> None:
    report = Report(
        "busy",
        2.5,
        slow=[("scipy", 2.0)],
        nodes=["A", "B"],
        replaced=["B"],
        routes=["GET /a", "POST /b"],
        missing=[Missing("comfy.x.y", True, ["a.py:3", "b.py:4"]), Missing("comfy.z", False, ["a.py:5"])],
        doings=[Doing("write", f"file{number}", "a.py:1") for number in range(MOST + 3)]
        + [Doing("pip", "pip install x", "a.py:2")],
        patches=[Patch("torch.add"), Patch("nodes.more", added=True)],
        modules=["utils"],
        requirements=[Requirement("x>2", "1.0"), Requirement("y"), Requirement("z", "1.0", met=True)],
        refused="writing elsewhere",
    )
    lines = [line.strip() for line in printed(report).splitlines()]
    assert lines[0] == "busy  loads: 2 nodes, imported in 2.50 s"
    assert lines[2] == "longest     scipy 2.00 s"
    assert "comfy.x.y  in a.py:3, b.py:4  (ComfyUI has it, Limner does not)" in lines
    assert "comfy.z  in a.py:5  (ComfyUI has no such name either)" in lines
    unmet = lines.index("Requirements that are not met:")
    assert lines[unmet + 1 : unmet + 3] == ["x>2  (1.0 is there)", "y  (it is not there)"]
    assert "and 3 more; see --json" in lines
    for words, entry in {
        "runs pip, or another installer": "pip install x  in a.py:2",
        "replaces names of other modules": "torch.add",
        "adds names to other modules": "nodes.more",
        "brings modules whose names others may use too": "utils",
        "takes the place of nodes that are there already": "B",
        "declares HTTP routes": "GET /a",
    }.items():
        assert lines[lines.index(f"While it is imported, it {words}:") + 1] == entry
    assert lines[-1] == "It was kept from writing elsewhere, and no installer was run."


def test_what_keeps_it_from_loading_is_said_with_its_place() -> None:
    text = printed(Report("bad", 0.1, problems=["ImportError: [x]"], traceback="Traceback\n  here\n"))
    assert text.splitlines() == [
        "bad  does not load: 0 nodes, imported in 0.10 s",
        "ImportError: [x]",
        "Traceback",
        "  here",
    ]
    assert printed(Report("half", nodes=["A"], problems=["B fails"])).startswith("half  loads in part: 1 node, ")
