"""Packs of V1 nodes: found, imported, described, run; what breaks in one is named and hurts no other."""

from __future__ import annotations

import asyncio
import inspect
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from limner.comfy.object_info import describe, read_schema
from limner.comfy.packs import Pack, find_packs, load_packs
from limner.comfy.shims import Bridge, install, uninstall
from limner.comfy.v1 import V1Node
from limner.engine.ports import Ended, Inquiry, Previewed, Progressed, Report, Said, Segment, Task
from limner.engine.values import Demand, Expansion, Failure, Handle, Held, Values
from limner.files import Folders
from limner.graph import FileChoices, Lane, Link, Presence
from limner.nodes.image.loading import load_image
from limner.plugins.host import HostCore
from limner.plugins.library import Library
from limner.plugins.services import Services
from limner.sdk import Image, NodeContext, Result, node

PACKS = Path(__file__).parents[2] / "fixtures" / "packs"


@node(type="ImageInvert", category="image", lane="cpu")
def invert(image: Image, ctx: NodeContext) -> Image:
    """A built-in node that packs call."""
    ctx.check_cancelled()
    return 1.0 - image


@dataclass
class Installed:
    """The packs in a host."""

    packs: dict[str, Pack]
    core: HostCore
    bridge: Bridge

    def schema(self, node_type: str) -> Any:
        return self.core.library[node_type].schema

    async def run(self, *tasks: Task, run: str = "run") -> list[Report]:
        reports: list[Report] = []
        hidden = {
            "prompt": {"1": {"class_type": "First"}, "2": {"class_type": "Second"}},
            "extra_pnginfo": {"workflow": {}},
            "client_id": "me",
        }
        await self.core.run(Segment(run, tasks, hidden), reports.extend)
        return reports

    async def one(self, node_type: str, /, node: str = "1", lane: Lane = Lane.DEVICE, **inputs: object) -> object:
        """What one node gave: its values, or another outcome."""
        missing = tuple(name for name, value in inputs.items() if value is ...)
        given = {name: value for name, value in inputs.items() if value is not ...}
        reports = await self.run(Task(node, node, node_type, f"f-{node}", given, missing, lane))
        outcome = ended(reports, node)
        if not isinstance(outcome, Values):
            return outcome
        return [self.core.items(f"f-{node}", number) for number in range(len(outcome.handles))]


def ended(reports: Sequence[Report], node: str) -> object:
    return next(report.result for report in reports if isinstance(report, Ended) and report.node == node)


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    before = set(sys.modules)
    folders = Folders.under(tmp_path)
    folders.prepare()
    (tmp_path / "models/loras/style.safetensors").touch()
    services = Services(folders)
    builtin = {"ImageInvert": invert, "LoadImage": load_image}
    bridge = Bridge(folders, services, builtin)
    finder = install(bridge)
    packs = load_packs([PACKS, tmp_path / "missing"], bridge)
    library = Library(builtin.values()).including(
        [node for pack in packs for node in pack.nodes], [problem for pack in packs for problem in pack.problems]
    )
    core = HostCore(library, services)
    bridge.say = core.say
    yield Installed({pack.name: pack for pack in packs}, core, bridge)
    core.close()
    uninstall(finder)
    for name in set(sys.modules) - before:
        if name.startswith(("custom_nodes", "limner_test")):
            del sys.modules[name]


def test_packs_are_found_in_order() -> None:
    names = [path.name for path in find_packs([PACKS])]
    assert names == sorted(names)
    assert "switched_off.disabled" not in names
    assert "single_file.py" in names


def test_what_does_not_load_is_named_and_the_rest_loads(installed: Installed) -> None:
    problems = {name: [problem.message for problem in pack.problems] for name, pack in installed.packs.items()}
    assert problems.pop("broken_import") == ["ImportError: it needs a library that is not there"]
    assert problems.pop("broken_node") == ["node BrokenNode: RuntimeError: no inputs today"]
    assert problems.pop("newest") == ["NotImplementedError: not today"]
    assert problems.pop("early") == [
        "it has no NODE_CLASS_MAPPINGS, no class with FUNCTION, RETURN_TYPES and CATEGORY, and no @node function, "
        "so no nodes"
    ]
    assert not any(problems.values())
    assert {"WholeNode", "SingleFile", "Elsewhere", "CountingAdd"} <= set(installed.core.library)
    assert not [name for name in sys.modules if "broken_import" in name]


def test_titles_modules_and_web_folders(installed: Installed) -> None:
    assert installed.schema("CountingAdd").display_name == "加 Add"
    assert installed.schema("Elsewhere").display_name == "其他"
    assert installed.schema("CountingWait").display_name == "CountingWait"
    assert installed.schema("CountingWait").module == "custom_nodes.counting"
    assert installed.packs["tricks"].web == PACKS / "tricks" / "js"
    assert installed.packs["early"].web is None
    assert installed.bridge.web_directories == {"tricks": str(PACKS / "tricks" / "js")}


def test_object_info_of_a_simple_node_is_comfyuis(installed: Installed) -> None:
    number = ["INT", {"default": 0, "min": -(2**60), "max": 2**60}]
    assert describe(installed.schema("CountingAdd"), lambda choices: []) == {
        "input": {"required": {"a": number, "b": number}},
        "input_order": {"required": ["a", "b"]},
        "output": ["INT"],
        "output_is_list": [False],
        "output_name": ["INT"],
        "name": "CountingAdd",
        "display_name": "加 Add",
        "description": "",
        "python_module": "custom_nodes.counting",
        "category": "counting",
        "output_node": False,
    }


def test_everything_that_a_class_can_say(installed: Installed) -> None:
    schema = installed.schema("TricksEverything")
    inputs = describe(schema, lambda choices: [*choices.extra, f"<{choices.folder}>"])["input"]
    assert inputs["required"] == {
        "image": ["IMAGE", {"tooltip": "a picture"}],
        "bare": ["MASK"],
        "empty": ["LATENT", {}],
        "any": ["*"],
        "size": ["INT", {"default": 8, "min": 0, "max": 16384, "step": 8}],
        "amount": ["FLOAT", {"default": 1.0, "max": 2}],
        "old": [["x", "y", 3], {"default": "y"}],
        "tuple": [["p", "q"]],
        "new": ["COMBO", {"default": "n", "options": ["m", "n"]}],
        "lora": [["<loras>"]],
        "maybe": [["None", "style.safetensors"]],
        "or_none": [["None", "<loras>"], {"tooltip": "t"}],
        "text": ["STRING", {"multiline": True, "dynamicPrompts": True}],
        "lazy": ["INT", {"lazy": True}],
        "raw": ["*", {"rawLink": True}],
    }
    assert inputs["optional"] == {"mask": ["MASK", {"forceInput": True}]}
    assert inputs["hidden"] == {"unique_id": "UNIQUE_ID", "prompt": ["PROMPT"], "extra": "EXTRA_PNGINFO"}
    assert schema.input("lora").choices == FileChoices("loras")
    assert schema.input("extra").presence is Presence.HIDDEN
    assert [output.type for output in schema.outputs] == ["IMAGE", "*", "COMBO", "FLOAT,INT"]
    assert [output.name for output in schema.outputs] == ["picture", "anything", "COMBO", "FLOAT,INT"]
    assert [output.is_list for output in schema.outputs] == [False, True, False, False]
    assert schema.outputs[2].choices == ("a", "b")
    traits = schema.traits
    assert traits.output and traits.deprecated and traits.experimental and traits.unshared
    assert schema.description == "Says all that a class can say"


def test_traits_of_a_class(installed: Installed) -> None:
    def traits(node_type: str) -> Any:
        return installed.schema(node_type).traits

    assert traits("CountingAdd").lane is Lane.DEVICE
    assert traits("CountingWaitAsync").lane is Lane.ASYNC
    assert traits("TricksLane").lane is Lane.CPU
    assert traits("TricksFlexible").takes_any_inputs
    assert traits("TricksList").list_wise
    checked = traits("TricksChecked")
    assert (checked.has_validation, checked.has_change_token, checked.validates_types) == (True, True, True)
    assert checked.validated_inputs == ("a",)
    assert traits("TricksCheckedAll").validated_inputs == ("*",)


def test_inputs_can_be_inferred_from_the_signature(installed: Installed) -> None:
    inputs = describe(installed.schema("TricksInferred"), lambda choices: [])["input"]
    assert list(inputs["required"]) == ["image", "count", "name", "flag"]
    assert inputs["required"]["image"] == ["IMAGE"]
    assert inputs["required"]["count"][0] == "INT" and inputs["required"]["count"][1]["default"] == 3
    assert inputs["required"]["name"] == ["STRING", {"default": "x"}]
    assert inputs["required"]["flag"] == ["BOOLEAN", {"default": True}]
    assert inputs["optional"] == {"extra": ["*"]}


async def test_nodes_run_and_show(installed: Installed) -> None:
    reports = await installed.run(
        Task("1", "1", "CountingAdd", "f1", {"a": 1, "b": 2}),
        Task("2", "2", "CountingWaitAsync", "f2", {"a": Held("f1", 0), "ms": 1}, lane=Lane.ASYNC),
        Task("3", "3", "CountingShow", "f3", {"a": Held("f2", 0)}),
    )
    shown = ended(reports, "3")
    assert isinstance(shown, Values) and shown.ui == {"value": [3]}


async def test_classes_made_at_run_time_with_wildcards(installed: Installed) -> None:
    reports = await installed.run(
        Task("1", "1", "ProbingImage", "f1", {"seed": 1}),
        Task("2", "2", "ProbingShapes", "f2", {"value": Held("f1", 0)}),
    )
    made, shown = ended(reports, "1"), ended(reports, "2")
    assert isinstance(made, Values) and made.handles == (Handle("f1", 0, "local", 4 * 6 * 3 * 4),)
    assert isinstance(shown, Values) and shown.ui == {"shapes": ["(1, 4, 6, 3)"]}


async def test_a_node_that_takes_any_inputs(installed: Installed) -> None:
    assert await installed.one("TricksFlexible", b=2, a=1) == [["a=1,b=2"]]
    assert await installed.one("CountingAdd", a=1, b=2, unknown=3) == [[3]]


async def test_hidden_inputs(installed: Installed) -> None:
    expected = [5, "2", ["1", "2"], {"workflow": {}}, "Second"]
    assert await installed.one("TricksHidden", node="2", a=5) == [[[*expected, "none"]]]
    assert await installed.one("TricksHidden", node="2", a=5, own="given") == [[[*expected, "given"]]]


async def test_the_object_is_kept_for_each_node(installed: Installed) -> None:
    calls = [await installed.one("TricksKeeps", node=name) for name in ("1", "1", "2", "1")]
    assert calls == [[[1]], [[2]], [[1]], [[3]]]


async def test_lazy_inputs(installed: Installed) -> None:
    assert await installed.one("TricksLazy", which=1, a=..., b=...) == Demand(("b",))
    assert await installed.one("TricksLazy", which=1, a=..., b=7) == [[7]]


async def test_lists(installed: Installed) -> None:
    await installed.one("TricksList", node="1", values=2, factor=3)
    assert installed.core.items("f-1", 0) == [6]
    assert await installed.one("TricksList", node="2", values=Held("f-1", 0), factor=2) == [[12]]


@pytest.mark.parametrize(("listed", "items"), [(True, [1, 2]), (False, [[1, 2]])])
async def test_a_node_may_decide_when_it_runs_that_an_output_is_a_list(
    installed: Installed, listed: bool, items: list[object]
) -> None:
    assert await installed.one("TricksListLater", listed=listed) == [items]


async def test_blockers(installed: Installed) -> None:
    blocked = {
        how: ended(await installed.run(Task("1", "1", "TricksBlocks", "f1", {"how": how})), "1")
        for how in ("all", "result", "parts")
    }
    messages = {how: [handle.blocked for handle in values.handles] for how, values in blocked.items()}  # type: ignore[attr-defined]
    assert messages == {"all": ["", ""], "result": ["told", "told"], "parts": ["told", None]}
    assert len(installed.core.items("f1", 1)) == 2


async def test_expansions(installed: Installed) -> None:
    reports = await installed.run(Task("9", "9", "TricksExpands", "f9", {"n": 5}))
    expansion = ended(reports, "9")
    assert isinstance(expansion, Expansion)
    nodes = expansion.graph.nodes
    assert list(nodes) == ["9.0.0.1", "9.0.0.named", "9.0.1.1"], "each builder has a prefix of its own"
    assert nodes["9.0.0.1"].inputs == {"a": 5, "b": 1}
    assert nodes["9.0.0.named"].inputs["a"] == Link("9.0.0.1", 0)
    assert nodes["9.0.0.named"].display == "shown"
    live = nodes["9.0.0.named"].inputs["b"]
    assert isinstance(live, Held) and type(installed.core.items("f9", live.output)[0]) is dict
    link, handle = expansion.results
    assert link == Link("9.0.0.named", 0)
    assert isinstance(handle, Handle)
    again = ended(await installed.run(Task("9", "9", "TricksExpands", "f9", {"n": 5}), run="again"), "9")
    assert isinstance(again, Expansion) and list(again.graph.nodes) == list(nodes), "the same ids in the next run"


@pytest.mark.parametrize(
    ("a", "complaint", "token"), [(5, None, {"a": 5}), (-1, "a is -1, b is IMAGE", {"a": -1}), (0, "", {"a": 0})]
)
async def test_validation_and_change_tokens(installed: Installed, a: int, complaint: str | None, token: object) -> None:
    question = Inquiry("1", "TricksChecked", {"a": a}, {"b": "IMAGE"}, validate=True, token=True)
    (answer,) = await installed.core.inquire("run", [question])
    assert (answer.complaint, answer.token) == (complaint, token)


async def test_validation_of_everything_and_nan(installed: Installed) -> None:
    everything, linked, changed = await installed.core.inquire(
        "run",
        [
            Inquiry("1", "TricksCheckedAll", {"a": 1, "unknown": 2}, validate=True, token=True),
            Inquiry("2", "TricksChecked", {"b": 1}, {"a": "INT"}, validate=True, token=True),
            Inquiry("3", "TricksChecked", {"a": 1, "b": 1}, token=True),
        ],
    )
    assert (everything.complaint, everything.token) == ("always wrong", ["a"])
    assert (linked.complaint, linked.token) == (None, {"a": None})
    assert isinstance(changed.token, float) and math.isnan(changed.token)


async def test_progress_previews_and_messages(installed: Installed) -> None:
    reports = await installed.run(Task("1", "1", "TricksProgress", "f1", {"steps": 3}))
    assert Progressed("1", 3.0, 3.0) in reports
    picture = next(report for report in reports if isinstance(report, Previewed))
    assert picture.image.startswith(b"\xff\xd8") and picture.media_type == "image/jpeg"
    assert Said("tricks.done", {"steps": 3}, None) in reports
    heard: list[Said] = []
    installed.core.listener = heard.append
    await asyncio.to_thread(sys.modules["server"].PromptServer.instance.send_sync, "later", {"a": 1}, "me")
    assert heard == [Said("later", {"a": 1}, "me")]


async def test_comfyuis_interruption_is_an_interruption(installed: Installed) -> None:
    failure = await installed.one("TricksInterrupts")
    assert isinstance(failure, Failure) and failure.interrupted
    installed.core.interrupt("stop")
    reports = await installed.run(Task("1", "1", "TricksProgress", "f1", {"steps": 3}), run="stop")
    failure = ended(reports, "1")
    assert isinstance(failure, Failure) and failure.interrupted


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("list", [[1], [2]]),
        ("more", [[1], [2]]),
        ("fewer", [[1], [None]]),
        ("shown", [[None], [None]]),
        ("both", [[1], [2]]),
    ],
)
async def test_what_a_method_may_return(installed: Installed, what: str, values: object) -> None:
    assert await installed.one("TricksReturns", what=what) == values


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("nothing", "returned nothing, and its class declares a tuple of 2 outputs"),
        ("text", "returned a str"),
    ],
)
async def test_what_a_method_may_not_return(installed: Installed, what: str, says: str) -> None:
    failure = await installed.one("TricksReturns", what=what)
    assert isinstance(failure, Failure)
    assert "TricksReturns" in failure.message and says in failure.message
    assert failure.remedy


async def test_packs_can_call_built_in_nodes(installed: Installed) -> None:
    import torch

    class Inverts:
        RETURN_TYPES = ("IMAGE",)
        FUNCTION = "go"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {"image": ("IMAGE",)}}

        def go(self, image: torch.Tensor) -> tuple[torch.Tensor]:
            import nodes  # type: ignore[import-not-found]

            assert nodes.NODE_CLASS_MAPPINGS["ImageInvert"] is nodes.ImageInvert
            return nodes.ImageInvert().invert(image=nodes.ImageInvert().invert(image)[0])  # type: ignore[no-any-return]

    from limner.comfy.v1 import V1Node

    installed.core.library = installed.core.library.including([V1Node("Inverts", Inverts)])
    picture = torch.rand(1, 2, 2, 3)
    installed.core.values.put("picture", [[picture]])
    values = await installed.one("Inverts", image=Held("picture", 0))
    assert torch.allclose(values[0][0], picture)  # type: ignore[index]


async def test_built_in_nodes_are_called_by_their_newer_name_and_outside_of_runs(installed: Installed) -> None:
    import nodes
    import torch

    picture = torch.rand(1, 2, 2, 3)
    (inverted,) = nodes.ImageInvert().invert(picture)
    output = nodes.ImageInvert.execute(image=picture)
    assert torch.equal(output[0], inverted) and torch.equal(output.result[0], inverted) and output.ui is None


def test_classes_of_built_in_nodes_ask_the_questions_of_their_nodes(installed: Installed, tmp_path: Path) -> None:
    import nodes

    assert "nothing.png" in nodes.LoadImage.VALIDATE_INPUTS("nothing.png")
    picture = tmp_path / "input" / "there.png"
    picture.parent.mkdir(exist_ok=True)
    picture.write_bytes(b"one")
    before = nodes.LoadImage.IS_CHANGED(image="there.png")
    assert nodes.LoadImage.VALIDATE_INPUTS(image="there.png") is True
    picture.write_bytes(b"two")
    assert before and nodes.LoadImage.IS_CHANGED("there.png") != before


def test_folder_paths(installed: Installed, tmp_path: Path) -> None:
    import folder_paths  # type: ignore[import-not-found]

    assert folder_paths.base_path == str(tmp_path)
    assert folder_paths.__file__ == str(tmp_path / "folder_paths.py"), "packs write beside it"
    assert inspect.getfile(sys.modules["server"].PromptServer) == str(tmp_path / "server.py")
    assert folder_paths.models_dir == str(tmp_path / "models")
    assert folder_paths.get_input_directory() == str(tmp_path / "input")
    assert folder_paths.get_filename_list("loras") == ["style.safetensors"]
    assert folder_paths.get_full_path("loras", "style.safetensors") == str(tmp_path / "models/loras/style.safetensors")
    assert folder_paths.get_full_path("loras", "../loras/style.safetensors") is None
    assert folder_paths.get_full_path("nothing_like_it", "x") is None
    with pytest.raises(FileNotFoundError, match="other"):
        folder_paths.get_full_path_or_raise("loras", "other.safetensors")
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.bin").touch()
    (own / "a.txt").touch()
    folder_paths.folder_names_and_paths["my_models"] = ([str(own)], {".bin"})
    assert folder_paths.get_filename_list("my_models") == ["a.bin"]
    folder_paths.add_model_folder_path("loras", str(own))
    assert set(folder_paths.get_filename_list("loras")) == {"a.bin", "style.safetensors"}
    assert folder_paths.get_annotated_filepath("x.png [output]") == str(tmp_path / "output/x.png")
    assert not folder_paths.exists_annotated_filepath("../x.png")
    folder, name, counter, subfolder, prefix = folder_paths.get_save_image_path("sub/pic", str(tmp_path / "output"))
    assert (folder, name, counter, subfolder, prefix) == (str(tmp_path / "output/sub"), "pic", 1, "sub", "sub/pic")


def test_shims_answer_to_comfyuis_names_alone(installed: Installed) -> None:
    assert "limner.comfy.shims.folder_paths" not in sys.modules
    with pytest.raises(ImportError):
        import bridge  # type: ignore[import-not-found]  # noqa: F401
    with pytest.raises(ImportError, match="ComfyUI name"):
        import limner.comfy.shims.folder_paths  # noqa: F401


def test_a_second_installation_has_its_own_modules(installed: Installed, tmp_path: Path) -> None:
    import folder_paths

    other = Folders.under(tmp_path / "other")
    bridge = Bridge(other, Services(other))
    finder = install(bridge)
    packs = {pack.name: pack for pack in load_packs([PACKS], bridge)}
    assert sys.modules["folder_paths"] is not folder_paths
    assert sys.modules["folder_paths"].base_path == str(tmp_path / "other")
    assert packs["tricks"].nodes[0].cls is not installed.packs["tricks"].nodes[0].cls
    assert len([name for name in sys.modules if name.startswith("custom_nodes.tricks")]) == 2, "the pack and its nodes"
    uninstall(finder)
    assert "folder_paths" not in sys.modules


async def test_a_call_gives_a_result_object(installed: Installed) -> None:
    from limner.sdk.testing import run_node

    assert run_node(installed.core.library["SingleFile"], text="abc") == Result(("ABC",))


def test_sections_and_hidden_inputs_are_shown_as_the_class_says_them() -> None:
    class Said:
        RETURN_TYPES = ()
        FUNCTION = "go"
        CATEGORY = "test"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            hidden = {"id": "UNIQUE_ID", "size": ("AUTOSIZE", {"padding": 3}), "any": ("*",), "saved": (["a", "b"],)}
            return {"optional": {}, "hidden": hidden}

    described = describe(V1Node("Said", Said).schema, lambda _: ())
    assert described["input"] == {
        "optional": {},
        "hidden": {"id": "UNIQUE_ID", "size": ["AUTOSIZE", {"padding": 3}], "any": ["*"], "saved": [["a", "b"]]},
    }
    assert described["input_order"] == {"optional": [], "hidden": ["id", "size", "any", "saved"]}
    assert describe(read_schema(described), lambda _: ()) == described
