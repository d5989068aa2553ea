"""The how-tos on deploying and upgrading: shells read their commands; files, commands and options are there."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from limner.cli.flags import expanded
from limner.cli.main import application

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "how-to" / name for name in ("deploy.md", "upgrade.md")]
PROGRAM = re.compile(r"(?:\S*/)?limner")
END = {"&&", "|", ";", "||", "&", ">"}


def blocks(page: Path, language: str = "sh") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands() -> Iterator[list[str]]:
    """Each call of limner, without the program's name."""
    for page in PAGES:
        for block in blocks(page):
            text = re.sub(r"<<'EOF'.*?^EOF$", "", block.replace("\\\n", " "), flags=re.DOTALL | re.MULTILINE)
            for line in text.splitlines():
                yield from _calls(shlex.split(line, comments=True))


def _calls(words: list[str]) -> Iterator[list[str]]:
    """`limner` begins a call where it is the program: at the start, after sudo, or what `docker run` runs."""
    for place, word in enumerate(words):
        before = words[:place]
        alone = not before or before[0].startswith("RAY_AUTH") or before in (["sudo"], ["sudo", "-u", "limner"])
        in_container = "docker" in before and "run" in before and before[-1] != "--name" and place + 1 < len(words)
        if PROGRAM.fullmatch(word) and (alone or in_container):
            rest = words[place + 1 :]
            yield rest[: next((end for end, each in enumerate(rest) if each in END), len(rest))]


def known(arguments: list[str]) -> None:
    """Fails where limner has no such command, or the command no such option."""
    command: Any = typer.main.get_command(application())
    rest = expanded(arguments)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"there is no limner {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{command.name} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shells_read_every_block(page: Path) -> None:
    for block in blocks(page):
        done = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_commands_and_options_are_there() -> None:
    found = list(commands())
    assert len(found) > 15
    for arguments in found:
        known(arguments)
    with pytest.raises(AssertionError, match="no --no-such"):
        known(["service", "install", "--no-such"])


def test_files_are_there() -> None:
    named = {path for page in PAGES for path in re.findall(r"\bdeploy/[\w./-]*\w", page.read_text("utf-8"))}
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_what_is_shown_is_what_ships() -> None:
    """Every configuration on the page is included from its file; no block holds a copy."""
    text = PAGES[0].read_text("utf-8")
    for language in ("ini", "nginx", "yaml", "dockerfile"):
        shown = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        assert shown and all(re.fullmatch(r'\s*--8<-- "deploy/[^"]+"\s*', each) for each in shown)


def test_values_that_are_set_are_the_charts() -> None:
    values = yaml.safe_load((ROOT / "deploy" / "helm" / "limner" / "values.yaml").read_text("utf-8"))
    for name in re.findall(r"--set ([\w.]+)=", PAGES[0].read_text("utf-8")):
        found = values
        for part in name.split("."):
            assert part in found, f"the chart has no value {name}"
            found = found[part]
