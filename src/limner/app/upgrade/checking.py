"""The check: the trial is made, every saved workflow runs on both versions, and what was found is written down."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from limner import __version__
from limner.app.stores import data_folder
from limner.files import write_atomic
from limner.settings import Settings

from .comparing import Finding, Verdict, compared
from .drawing import Version, draw
from .problems import UpgradeProblem
from .saved import Saved, saved
from .trial import Trial, digest_of, trial

RECORD = "checked.json"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `source`, `digest` and `pins` say what was checked; `time` is in seconds since 1970."""

    old: str
    new: str
    source: str
    digest: str
    pins: tuple[str, ...]
    findings: tuple[Finding, ...]
    time: float

    @property
    def in_the_way(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict.stands_in_the_way)


def folder_of(settings: Settings) -> Path:
    """Where trials and what they draw lie; deleted by the next check."""
    return data_folder(settings) / "upgrade"


def check(settings: Settings, source: str, tell: Callable[[str], None]) -> Iterator[Finding | Checked]:
    """Each workflow's finding as it is there, and at the end all of it. `tell` hears what is going on.

    Raises UpgradeProblem, DatabaseProblem.
    """
    folder = folder_of(settings)
    shutil.rmtree(folder, ignore_errors=True)
    tell("Installing the other version beside this one ...")
    tried = trial(folder / "environment", source)
    if tried.pins:
        tell(f"With it come {', '.join(tried.pins)}")
    workflows = saved(settings, folder / "kept")
    old = Version(__version__, Path(sys.executable), folder / "old", own=True)
    new = Version(tried.version, tried.python, folder / "new")
    findings = []
    for number, workflow in enumerate(workflows, 1):
        tell(f"{number} of {len(workflows)}: {workflow.name}")
        findings.append(_finding(settings, workflow, old, new, str(number)))
        yield findings[-1]
    yield _written(settings, tried, findings)


def _finding(settings: Settings, workflow: Saved, old: Version, new: Version, number: str) -> Finding:
    before = draw(settings, workflow, old, number)
    found = compared(workflow.name, before, draw(settings, workflow, new, number))
    if found.verdict is Verdict.DIFFERENT:
        again = compared(workflow.name, before, draw(settings, workflow, old, f"{number}-again"))
        if again.verdict in (Verdict.DIFFERENT, Verdict.FAILS):
            return Finding(workflow.name, Verdict.UNSTEADY, "it draws another picture each time", found.pairs)
    return found


def _written(settings: Settings, tried: Trial, findings: Sequence[Finding]) -> Checked:
    checked = Checked(__version__, tried.version, tried.source, tried.digest, tried.pins, tuple(findings), time.time())
    text = json.dumps(msgspec.to_builtins(asdict(checked)), indent=2)
    write_atomic(folder_of(settings) / RECORD, text.encode())
    return checked


def found_before(settings: Settings, source: str) -> Checked:
    """What the last check of this very source found. Raises UpgradeProblem where there was none."""
    remedy = f"Check it first: limner upgrade {source} --check"
    try:
        data = (folder_of(settings) / RECORD).read_bytes()
        checked = msgspec.json.decode(data, type=Checked)
    except (OSError, msgspec.MsgspecError) as error:
        raise UpgradeProblem("no version has been checked", remedy) from error
    if (checked.source, checked.digest, checked.old) != (source, digest_of(source), __version__):
        raise UpgradeProblem(f"what was checked is limner {checked.new} from {checked.source}", remedy)
    return checked
