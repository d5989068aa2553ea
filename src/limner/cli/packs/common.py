"""What the commands below `limner packs` have in common."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limner.settings import Settings

from ..console import errors, output
from ..errors import BadInput, CommandFailed
from ..flags import with_settings
from ..session import or_bad_input

if TYPE_CHECKING:
    from limner.files import Folders
    from limner.packs.places import Places

Name = Annotated[str, typer.Argument(help="The pack's name, as it is listed.", show_default=False)]
Names = Annotated[list[str], typer.Argument(help="Names of packs, as they are listed.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
with_places = with_settings("base_directory", "user_directory", "extra_model_paths_config", "pack_registry")


@contextmanager
def problems() -> Iterator[None]:
    """What is wrong with packs, as commands say it."""
    from limner.packs.errors import BadSource, PackExists, PackProblem, UnknownPack

    try:
        yield
    except (BadSource, PackExists, UnknownPack) as error:
        raise BadInput(error.problem, error.remedy) from error
    except PackProblem as error:
        raise CommandFailed(error.problem, error.remedy) from error


@contextmanager
def working(settings: Settings) -> Iterator[Places]:
    """The packs, for this command alone. A signal that asks it to end is taken as Ctrl-C, so that nothing is left."""
    from limner.packs.transaction import at_work

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    with problems(), at_work(places_of(settings)) as places:
        yield places


def folders_of(settings: Settings) -> Folders:
    from limner.app import folders

    return or_bad_input(lambda: folders.folders_of(settings))


def places_of(settings: Settings) -> Places:
    from limner.packs.places import Places

    return Places.of(folders_of(settings))


def say(text: str) -> None:
    errors().print(f"{text[:1].upper()}{text[1:]} ...", style="dim", markup=False)


def as_json(value: Any) -> None:
    output().print(json.dumps(value, ensure_ascii=False, indent=2, default=str), markup=False)
