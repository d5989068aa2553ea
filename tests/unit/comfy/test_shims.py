"""ComfyUI's modules as packs import them: what is there acts, what is not says so, and nothing else is made up."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from limner.comfy.shims import Bridge, install, uninstall
from limner.comfy.shims.absent import NotAvailable
from limner.comfy.shims.known import NodeName, modules, parsed
from limner.diffusion.runtime import Runtime
from limner.files import Folders
from limner.nodes.library import FAMILIES
from limner.plugins.services import Services
from limner.sdk import nodes_in


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    services = Services()
    services.add(Runtime, Runtime("cpu", "fp32"))
    builtin = {node.schema.type: node for node in nodes_in(FAMILIES)}
    made = Bridge(Folders.under(tmp_path), services, builtin)
    finder = install(made)
    yield made
    uninstall(finder)


def run_as_pack(source: str, pack: str = "custom_nodes.some_pack") -> dict[str, Any]:
    """Run a text as a module of a pack."""
    module = ModuleType(pack)
    exec(source, module.__dict__)
    return module.__dict__


def test_every_known_module_imports_and_every_name_in_it_is_there(bridge: Bridge) -> None:
    missing = []
    for name, known in modules().items():
        if name.partition(".")[0] in ("comfy", "comfy_extras", "comfy_execution", "latent_preview", "node_helpers"):
            module = importlib.import_module(name)
            missing += [f"{name}.{entry}" for entry in (*known.kinds, *known.nodes) if not hasattr(module, entry)]
    assert missing == []


def test_a_name_that_comfyui_does_not_have_is_missing_here_too(bridge: Bridge) -> None:
    with pytest.raises(ImportError, match="NoSuchThing"):
        run_as_pack("from comfy.samplers import NoSuchThing")
    with pytest.raises(ModuleNotFoundError):
        run_as_pack("import comfy.no_such_module")
    assert not hasattr(importlib.import_module("comfy.utils"), "no_such_thing")


def test_what_is_not_here_can_be_imported_and_inherited_and_says_so_when_used(bridge: Bridge) -> None:
    source = """
from comfy.ldm.wan.model import WanModel, repeat_e
class Mine(WanModel):
    pass
def use(): return Mine()
def call(): return repeat_e(1, 2)
"""
    pack = run_as_pack(source)
    with pytest.raises(NotAvailable, match=r"'some_pack' uses comfy\.ldm\.wan\.model\.WanModel"):
        pack["use"]()
    with pytest.raises(NotAvailable, match=r"repeat_e.*limner serve --comfyui PATH"):
        pack["call"]()


def test_submodules_are_there_without_being_imported(bridge: Bridge) -> None:
    pack = run_as_pack("import comfy\nresize = comfy.utils.common_upscale\ndevice = comfy.model_management.cpu_mode()")
    assert pack["device"] is True
    assert pack["resize"](torch.zeros(1, 3, 8, 8), 4, 6, "nearest-exact", "disabled").shape == (1, 3, 6, 4)


def test_node_classes_of_extras_act_by_their_own_methods(bridge: Bridge) -> None:
    mask = importlib.import_module("comfy_extras.nodes_mask")
    assert mask.GrowMask.FUNCTION == "expand_mask"
    assert callable(mask.ImageCompositeMasked().composite)
    assert "GrowMask" in importlib.import_module("nodes").NODE_CLASS_MAPPINGS


def test_files_of_the_modules_lead_to_the_base_directory(bridge: Bridge) -> None:
    for name in ("folder_paths", "nodes", "comfy.utils", "comfy.ldm.wan.model"):
        assert str(importlib.import_module(name).__file__).startswith(str(bridge.folders.base))


def test_uninstalling_takes_the_names_away(tmp_path: Path) -> None:
    finder = install(Bridge(Folders.under(tmp_path), Services()))
    importlib.import_module("comfy.ldm.wan.model")
    uninstall(finder)
    assert "comfy.ldm.wan.model" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("comfy.ldm.wan.model")


def test_the_table_of_names_is_read() -> None:
    found = parsed("a.b Cls func() value~ Node=Type:method Same= np@numpy Other@x.y:Z\n")["a.b"]
    assert found.kinds == {"Cls": "class", "func": "function", "value": "value"}
    assert found.nodes == {"Node": NodeName("Type", "method"), "Same": NodeName("Same", "execute")}
    assert found.imported == {"np": ("numpy", ""), "Other": ("x.y", "Z")}


def test_graphs_that_nodes_build(bridge: Bridge) -> None:
    utils = importlib.import_module("comfy_execution.graph_utils")
    builder = utils.GraphBuilder(prefix="p.")
    first = builder.node("Loader", name="x")
    builder.node("Saver", "end", images=first.out(0))
    assert builder.finalize() == {
        "p.1": {"class_type": "Loader", "inputs": {"name": "x"}},
        "p.end": {"class_type": "Saver", "inputs": {"images": ["p.1", 0]}},
    }
    builder.replace_node_output("1", 0, None)
    assert builder.lookup_node("end").inputs == {}
    moved, outputs = utils.add_graph_prefix({"a": {"class_type": "X", "inputs": {"i": ["b", 1]}}}, [["a", 0], 5], "q.")
    assert moved == {"q.a": {"class_type": "X", "inputs": {"i": ["q.b", 1]}}}
    assert outputs == (["q.a", 0], 5)


def test_tiles_give_what_the_whole_gives(bridge: Bridge) -> None:
    utils = importlib.import_module("comfy.utils")
    picture = torch.rand(2, 3, 40, 56)
    larger = utils.tiled_scale(
        picture, lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3), 24, 16, 8, 2, output_device="cpu"
    )
    assert torch.allclose(larger, picture.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-6)
    assert utils.get_tiled_scale_steps(56, 40, 24, 16, 8) == 12


def test_attention_by_any_of_its_names(bridge: Bridge) -> None:
    attention = importlib.import_module("comfy.ldm.modules.attention")
    q, k, v = (torch.randn(2, tokens, 12) for tokens in (5, 7, 7))
    heads = [part.unflatten(-1, (3, 4)).transpose(1, 2) for part in (q, k, v)]
    weights = (heads[0] @ heads[1].transpose(-1, -2) / 2.0).softmax(-1)
    expected = (weights @ heads[2]).transpose(1, 2).flatten(2)
    assert torch.allclose(attention.optimized_attention(q, k, v, 3), expected, atol=1e-5)
    split = attention.attention_basic(*heads, 3, skip_reshape=True, skip_output_reshape=True)
    assert torch.allclose(split.transpose(1, 2).flatten(2), expected, atol=1e-5)
    hidden = torch.zeros(5, 7).masked_fill(torch.arange(7) > 0, float("-inf"))
    first = attention.attention_pytorch(q, k, v, 3, mask=hidden)
    assert torch.allclose(first, v[:, :1].expand(-1, 5, -1), atol=1e-5)


def test_keyframes_and_groups_of_hooks(bridge: Bridge) -> None:
    hooks = importlib.import_module("comfy.hooks")
    group, keyframes = hooks.HookGroup(), hooks.HookKeyframeGroup()
    group.add(hooks.WeightHook(0.5, 0.25))
    for strength, start in ((2.0, 0.5), (1.0, 0.0)):
        keyframes.add(hooks.HookKeyframe(strength, start))
    group.set_keyframes_on_hooks(keyframes)
    assert group.clone().is_subset_of(group) and len(group.clone_and_combine(group)) == 1
    current = group.hooks[0].hook_keyframe
    for keyframe in current.keyframes:
        keyframe.start_t = 10.0 * (1 - keyframe.start_percent)
    options = {"sample_sigmas": torch.tensor([10.0, 5.0, 0.0])}
    assert [current.prepare_current_keyframe(level, options) for level in (10.0, 4.0)] == [False, True]
    assert group.hooks[0].strength_model == 1.0
    assert hooks.HookGroup.combine_all_hooks([None, group]) is group
    with pytest.raises(ValueError, match="2 groups of hooks"):
        hooks.HookGroup.combine_all_hooks([group], require_count=2)
    marked = hooks.set_hooks_for_conditioning([[1, {}]], group)
    assert marked == [[1, {"hooks": group}]]
