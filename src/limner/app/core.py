"""A host with the built-in nodes and the packs, as it stands in a host process and in the command line's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from PIL import Image

from limner.diffusion.runtime import Runtime
from limner.files import Folders
from limner.nodes.library import built_in
from limner.nodes.options import NodeOptions
from limner.plugins.host import HostCore
from limner.plugins.lanes import Lanes
from limner.plugins.library import Library
from limner.plugins.services import Services
from limner.settings import Settings
from limner.stores.journal import Journal

from .caching import job_folder, shared_shelf
from .handlers import handlers
from .packs import PackTopics, with_packs
from .role import Role


def make_core(
    settings: Settings,
    folders: Folders,
    *,
    role: Role | None = None,
    loading: Callable[[str], None] = lambda name: None,
    device_thread: bool = True,
    resumable: bool = False,
) -> HostCore:
    """A host with the nodes of its role and what they ask for: folders, the models' runtime, options.

    Without `device_thread`, the caller's own thread serves the device lane. `resumable`: it writes down what it does.
    `loading` hears of each pack before code of it runs.
    """
    # Pictures are measured by `limner.media.decode` before they are decoded; Pillow's own warning says it twice.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    services = Services(NodeOptions(metadata=not settings.disable_metadata, previews=settings.preview_method != "none"))
    services.add(Folders, folders).by_home(Folders, Folders.of)
    services.add_factory(Runtime, lambda: _runtime(settings, folders))
    lanes = Lanes(guard=torch.inference_mode, device_thread=device_thread)
    library, bridge = with_packs(Library(built_in()), folders, services, role or Role(), loading)
    notes = Journal(job_folder(settings, folders), shared_shelf(settings)) if resumable or settings.cache_disk else None
    core = HostCore(library, services, lanes=lanes, handlers=handlers(services, settings.device), notes=notes)
    bridge.say = core.say
    services.get(PackTopics).loaded.belong_to(core)
    return core


def _runtime(settings: Settings, folders: Folders) -> Runtime:
    precision = settings.precision
    return Runtime(
        settings.device,
        precision,  # type: ignore[arg-type]  # one of its choices, by the settings' own check
        embeddings=folders.model_folder("embeddings").paths,
        allow_pickle=settings.allow_pickle,
    )
