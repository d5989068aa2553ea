"""The names of ComfyUI that 60 packs use, by tier, and those that twelve open packs ask for: whether they are there.

Tiers 1 and 2 act, but for a few that are listed with the reason. Tier 3 can be imported, and says how it can be had.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.comfy.shims import Bridge, install, uninstall
from limner.comfy.shims.absent import AbsentFunction, AbsentType, NotAvailable
from limner.comfy.shims.report import _state
from limner.diffusion.runtime import Runtime
from limner.files import Folders
from limner.nodes.library import FAMILIES
from limner.plugins.services import Services
from limner.sdk import nodes_in

FIXTURES = Path(__file__).parents[2] / "fixtures"
ROWS = [line.split("\t") for line in (FIXTURES / "comfyui_surface.tsv").read_text().splitlines()[1:]]
KNOWN = {name: int(tier) for name, _kind, tier, real in ROWS if real == "yes"}
ASKED = (FIXTURES / "comfyui_open_packs.txt").read_text().split()
LEFT_OUT = {
    "comfy.ldm.modules.attention.BasicTransformerBlock": "a layer of ComfyUI's own networks",
    "comfy.sdxl_clip.": "text encoders of a family that Limner does not load",
    "comfy.controlnet.ControlLora": "made of the weights of a family that Limner does not load",
    "comfy.controlnet.ControlNetSD35": "of a family that Limner does not load",
    "comfy_extras.nodes_gits.GITSScheduler": "its levels are tables in ComfyUI's code",
    "comfy_extras.nodes_lt.": "nodes of a family that Limner does not load",
    "latent_preview.TAESD": "previews are made by factors",
    "nodes.DiffusersLoader": "folders of diffusers are not read",
    "nodes.unCLIPCheckpointLoader": "of a family that Limner does not load",
    "comfy.sd.model_detection.model_config_from_unet": "describes ComfyUI's own networks",
}
"""Names of tiers 1 and 2 that are stand-ins, by what they begin with."""


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    services = Services().add(Runtime, Runtime("cpu", "fp32"))
    builtin = {node.schema.type: node for node in nodes_in(FAMILIES)}
    made = Bridge(Folders.under(tmp_path_factory.mktemp("surface")), services, builtin)
    finder = install(made)
    yield made
    uninstall(finder)


def test_the_names_of_tiers_one_and_two_act(bridge: Bridge) -> None:
    wanted = [name for name, tier in KNOWN.items() if tier <= 2]
    assert len(wanted) > 400
    idle = {name for name in wanted if _state(name) != "here" and not name.startswith(tuple(LEFT_OUT))}
    assert idle == set()


def test_what_is_left_out_is_no_more_than_that(bridge: Bridge) -> None:
    for start in LEFT_OUT:
        assert any(_state(name) == "absent" for name in KNOWN if name.startswith(start)), start


def test_the_names_of_tier_three_are_there_and_say_how_they_can_be_had(bridge: Bridge) -> None:
    states = {name: _state(name) for name, tier in KNOWN.items() if tier == 3}
    assert {name for name, state in states.items() if state == "unknown"} == set()
    for name in (name for name, state in states.items() if state == "absent"):
        module, _, attribute = name.rpartition(".")
        try:
            value = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError:
            continue  # an attribute of an absent class
        assert isinstance(value, AbsentFunction | AbsentType), name
        with pytest.raises(NotAvailable, match="limner serve --comfyui PATH") as refused:
            value()
        assert attribute in str(refused.value)


def test_what_the_open_packs_ask_for_is_there(bridge: Bridge) -> None:
    assert {name for name in ASKED if _state(name) == "unknown"} == set()
