"""The reference names every setting, route, command, option and public name, as they are now."""

from __future__ import annotations

from pathlib import Path

import pytest

import comfyui_api
from limner.cli.main import application
from limner.settings import declarations, flag, variable
from tools.document import PAGES, written

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_those_of_the_code(page: str) -> None:
    text = (REFERENCE / page).read_text("utf-8")
    assert text == written(page, text), "write the tables anew with: python tools/document.py"


def test_every_setting_is_documented() -> None:
    text = (REFERENCE / "settings.md").read_text("utf-8")
    for name, _, how in declarations():
        assert f"`{flag(name)}`" in text
        assert f"`{variable(name)}`" in text
        assert how.help in text


def test_every_command_and_option_is_documented() -> None:
    text = (REFERENCE / "command-line.md").read_text("utf-8")
    settings = {flag(name) for name, _, _ in declarations()}
    for name, command in typer_commands().items():
        assert f"`limner {name}" in text
        for option in command:
            assert option in text or option in settings, f"limner {name} {option}"


def typer_commands() -> dict[str, list[str]]:
    """Each command's long options."""
    import typer.main

    group = typer.main.get_command(application())
    return {
        name: [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }


def test_every_public_name_of_the_client_is_documented() -> None:
    text = (REFERENCE / "comfyui-api.md").read_text("utf-8")
    assert [name for name in comfyui_api.__all__ if name not in text] == []
