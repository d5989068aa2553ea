"""`limner upgrade` where it refuses; what it does is in tests/scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.app.upgrade import Checked, Finding, UpgradeProblem, Verdict, switching
from limner.app.upgrade.checking import found_before
from limner.app.upgrade.problems import UpgradeProblem as Problem
from limner.cli.main import status
from limner.settings import resolve


def test_a_checkout_is_not_installed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Editable:
        @staticmethod
        def read_text(name: str) -> str:
            assert name == "direct_url.json"
            return '{"url": "file:///home/ann/limner", "dir_info": {"editable": true}}'

    monkeypatch.setattr(switching, "distribution", lambda name: Editable)
    checked = Checked("0.1.0", "0.2.0", "0.2.0", "", (), (), 0.0)
    with pytest.raises(UpgradeProblem, match="runs from /home/ann/limner"):
        switching.switch(resolve({"base_directory": tmp_path}, {}), checked)


@pytest.mark.parametrize("text", ["", "[]", '{"old": 3}'])
def test_a_record_that_is_none(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "user" / "limner" / "upgrade" / "checked.json"
    record.parent.mkdir(parents=True)
    record.write_text(text)
    with pytest.raises(Problem, match="no version has been checked"):
        found_before(resolve({"base_directory": tmp_path}, {}), "0.2.0")
    assert status(["upgrade", "0.2.0", "--accept", "--base-directory", str(tmp_path)]) == 2
    assert "limner upgrade 0.2.0 --check" in capsys.readouterr().err


def test_only_differences_stand_in_the_way() -> None:
    findings = tuple(Finding(verdict.value, verdict) for verdict in Verdict)
    checked = Checked("0.1.0", "0.2.0", "0.2.0", "", (), findings, 0.0)
    assert [finding.workflow for finding in checked.in_the_way] == ["different", "fails"]
