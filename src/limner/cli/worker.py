"""`limner worker`: this machine's devices, for a server elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from limner.settings import Settings

from .console import errors, output
from .errors import BadInput
from .flags import with_settings

TAKEN = (
    "base_directory",
    "temp_directory",
    "user_directory",
    "extra_model_paths_config",
    "cpu",
    "precision",
    "preview_method",
    "allow_pickle",
    "cache_disk",
    "cache_directory",
    "cache_store",
    "model_store",
    "disable_metadata",
    "comfyui",
    "comfyui_python",
    "comfyui_arguments",
    "verbose",
)
"""The settings that a worker takes."""


@with_settings(*TAKEN)
def command(
    *,
    address: Annotated[
        str, typer.Option(help="The cluster: HOST:6379 of the server's machine; auto: the Ray of this machine.")
    ] = "auto",
    name: Annotated[str, typer.Option(help="The worker's name; this machine's, if none is given.")] = "",
    settings: Settings,
) -> None:
    """Run jobs for a server that was started with --cluster, until Ctrl-C or SIGTERM."""
    import importlib.util

    if importlib.util.find_spec("ray") is None:
        raise BadInput("a worker needs Ray, which is not installed", "Install it: pip install 'limner[cluster]'")
    from limner.executors.remote.token import use_token

    use_token()
    from limner.app.joining import CannotJoin, work
    from limner.telemetry import logs

    logs.configure(settings.verbose)

    def announce(text: str) -> None:
        output().print(text, markup=False)
        errors().print("Ctrl-C lets it finish what it has, and ends it.", style="dim")

    try:
        work(settings, address, name, announce)
    except CannotJoin as error:
        raise BadInput(error.problem, error.remedy) from error
