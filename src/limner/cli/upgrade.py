"""`limner upgrade`: another version, once it draws what this one draws."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from limner.settings import Settings

from .console import errors, output
from .errors import BadInput, CommandFailed
from .flags import RUNNING, with_settings

if TYPE_CHECKING:
    from limner.app.upgrade import Checked, Finding

COLOURS = {"same": "green", "close": "green", "different": "red", "fails": "red"}
Source = Annotated[str, typer.Argument(help="A version, a wheel, a folder or a URL.", show_default=False)]


@with_settings(*RUNNING, "output_directory")
def command(
    source: Source,
    check: Annotated[bool, typer.Option("--check", help="Compare, and change nothing.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Switch to what was checked, differences and all.")] = False,
    *,
    settings: Settings,
) -> None:
    """Run the saved workflows on another version beside this one, compare their pictures, and switch.

    With --check, nothing is switched. Without, a check of the same version that found no difference is taken as it is.
    """
    if check and accept:
        raise BadInput("--check and --accept cannot both be", "Check first; accept what it found, once you have looked")
    with _reported():
        checked = _checked(settings, source, anew=check, accept=accept)
        if check:
            _conclude(checked, source)
        elif checked.in_the_way and not accept:
            raise _in_the_way(checked, source)
        else:
            _switch(settings, checked)


def _checked(settings: Settings, source: str, *, anew: bool, accept: bool) -> Checked:
    from limner.app.upgrade import Checked, UpgradeProblem, check
    from limner.app.upgrade.checking import found_before

    if not anew:
        try:
            found = found_before(settings, source)
            then = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.time))
            errors().print(f"Checked on {then}: {len(found.findings)} workflows.", markup=False)
            return found
        except UpgradeProblem:
            if accept:
                raise
    told = check(settings, source, lambda said: errors().print(said, style="dim", markup=False))
    for finding in told:
        if isinstance(finding, Checked):
            return finding
        _show(finding)
    raise CommandFailed("the check has not ended", "Check again")


def _show(finding: Finding) -> None:
    kind = finding.verdict.value
    console = output()
    console.print(f"{kind:<14}", style=COLOURS.get(kind, "yellow"), end="")
    said = finding.said.splitlines()
    console.print(f"{finding.workflow}{f' ({said[0]})' if said else ''}", markup=False)
    for line in said[1:]:
        console.print(f"{'':<14}{line}", markup=False)
    for old, new in finding.pairs:
        console.print(f"{'':<14}{old}\n{'':<14}{new}", markup=False)


def _conclude(checked: Checked, source: str) -> None:
    if not checked.findings:
        errors().print("There are no saved workflows to compare; limner itself could be installed.", style="yellow")
    if checked.in_the_way:
        raise _in_the_way(checked, source)
    output().print(f"limner {checked.new} draws what {checked.old} draws.", markup=False)
    errors().print(f"To switch: limner upgrade {source}", style="dim", markup=False)


def _in_the_way(checked: Checked, source: str) -> CommandFailed:
    fails = sum(finding.verdict.value == "fails" for finding in checked.in_the_way)
    differ = len(checked.in_the_way) - fails
    said = [_counted(differ, "differ"), _counted(fails, "no longer run")]
    count = f"of {len(checked.findings)} workflows, {' and '.join(filter(None, said))} with limner {checked.new}"
    remedy = (
        "Nothing has been changed. Look at the pictures named above, the old one's first. If the new ones are right: "
        f"limner upgrade {source} --accept. If not, stay with this version, and report the workflow."
    )
    return CommandFailed(count, remedy)


def _counted(number: int, verb: str) -> str:
    return f"{number} {verb}{'s' if number == 1 else ''}" if number else ""


def _switch(settings: Settings, checked: Checked) -> None:
    from limner.app.upgrade import switch

    done = switch(settings, checked)
    output().print(f"limner {done.old} became {done.new}", markup=False)
    back = f"To go back: limner upgrade {done.old} --check, then limner restore {done.backup}"
    errors().print(
        f"{back}\nStart the server again: systemctl start limner, or limner serve", style="dim", markup=False
    )


@contextmanager
def _reported() -> Iterator[None]:
    from limner.app.upgrade import UpgradeProblem
    from limner.database import DatabaseProblem
    from limner.files import FileProblem

    try:
        yield
    except (UpgradeProblem, DatabaseProblem, FileProblem) as error:
        raise BadInput(error.problem, error.remedy) from error
