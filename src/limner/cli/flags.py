"""Settings as flags: `@with_settings(...)` gives a command one flag a setting, and hands it the resolved `Settings`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from limner.settings import Declaration, Settings, SettingsError, declarations, flag, resolve

from .errors import BadInput

PANEL = "Settings"
RUNNING = (
    "base_directory",
    "input_directory",
    "temp_directory",
    "user_directory",
    "extra_model_paths_config",
    "cpu",
    "precision",
    "model_store",
    "comfyui",
    "comfyui_python",
    "comfyui_arguments",
    "verbose",
)
"""The settings of commands that run workflows without a server."""
_TAKEN = {"bool": bool, "int": int, "int | None": int, "tuple[Path, ...]": list[Path]}
ALIASES = {"output_directory": ("--output", "-o")}


def with_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a flag for each named setting (all of them without names) to a command that takes `settings`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        offered = {
            name: _parameter(name, str(member.type), how)
            for name, member, how in declarations()
            if not names or name in names
        }
        signature = inspect.signature(command, eval_str=True)
        own = [parameter for name, parameter in signature.parameters.items() if name != "settings"]

        @wraps(command)
        def run(*args: Any, **given: Any) -> None:
            flags = {name: given.pop(name, None) for name in offered}
            # Flags without a value are False, and several values an empty list, when they are not given.
            flags = {name: value for name, value in flags.items() if value is not False and value != []}
            command(*args, **given, settings=settings_of(flags))

        parameters = [*own, *offered.values()]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def settings_of(flags: dict[str, object]) -> Settings:
    """Resolved settings; raises BadInput where one cannot be used."""
    try:
        return resolve(flags)
    except SettingsError as error:
        raise BadInput(f"{error.source}: {error.problem}", error.remedy) from error


def expanded(arguments: Sequence[str]) -> list[str]:
    """Arguments with ComfyUI's freer forms spelt out: `--listen` alone, and several paths after one flag."""
    bare = {flag(name): how.bare for name, _, how in declarations() if how.bare is not None}
    several = {flag(name) for name, member, _ in declarations() if "tuple" in str(member.type)}
    return list(_spelt_out(arguments, bare, several))


def _spelt_out(arguments: Sequence[str], bare: dict[str, str], several: set[str]) -> Iterator[str]:
    repeating = ""
    for position, argument in enumerate(arguments):
        following = arguments[position + 1] if position + 1 < len(arguments) else "-"
        if argument.startswith("-"):
            repeating = ""
            yield argument
            if argument in bare and following.startswith("-"):
                yield bare[argument]
        elif position and arguments[position - 1] in several:
            repeating = arguments[position - 1]
            yield argument
        elif repeating and argument.endswith((".yaml", ".yml")):
            yield from (repeating, argument)
        else:
            yield argument


def _parameter(name: str, kind: str, how: Declaration) -> inspect.Parameter:
    taken: Any = _TAKEN.get(kind, Path if "Path" in kind else str)
    text = "SIZE" if kind == "Size" else "TEXT"
    metavar = "|".join(how.choices) or {int: "N", str: text, bool: None}.get(taken, "PATH")
    # `--cpu` has no `--no-cpu`: ComfyUI's flags are one-way too.
    names = [flag(name), *ALIASES.get(name, ())]
    option = typer.Option(*names, help=how.help, metavar=metavar, rich_help_panel=PANEL, show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[taken | None, option]
    )
