"""The new version in an environment of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from limner.app.upgrade import UpgradeProblem
from limner.app.upgrade import trial as trials
from limner.app.upgrade.trial import digest_of, requirement, trial
from limner.plugins.environment import Overlay, overlay_of_this_process
from tests.support.wheels import wheel


def test_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = wheel(tmp_path, "limner", "9.0", {})
    assert requirement("0.2") == "limner==0.2"
    assert requirement(str(made)) == f"limner @ file://{made}"
    assert requirement(str(tmp_path)) == f"limner @ file://{tmp_path}"
    assert requirement("git+https://example.org/limner") == "limner @ git+https://example.org/limner"
    monkeypatch.chdir(tmp_path)
    assert requirement(made.name) == f"limner @ file://{made}"
    for source in ("", "latest", "./nothing.whl", "limner"):
        with pytest.raises(UpgradeProblem, match="is no version"):
            requirement(source)
    assert digest_of(str(made)) and not digest_of("0.2")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that uv finds packages in, and nowhere else."""
    folder = tmp_path / "packages"
    for name, value in {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(folder), "UV_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(trials, "overlay_of_this_process", lambda: here({}))
    wheel(folder, "paint", "1.0", {"paint.py": ""})
    wheel(folder, "paint", "2.0", {"paint.py": ""})
    wheel(folder, "paint", "3.0", {"paint.py": ""}, ["brush"])
    wheel(folder, "brush", "1.0", {"brush.py": ""})
    return folder


def here(versions: dict[str, str]) -> Overlay:
    return replace(overlay_of_this_process(), versions={"limner": "0.1.0", **versions})


@pytest.mark.parametrize(
    ("asked", "there", "pins"),
    [
        ("paint>=1", {"paint": "1.0"}, ()),
        ("paint>=2,<3", {"paint": "1.0"}, ("paint==2.0",)),
        ("paint>=1", {}, ("brush==1.0", "paint==3.0")),
        ("paint>=3", {"paint": "2.0", "brush": "1.0"}, ("paint==3.0",)),
        ("paint; extra == 'gold'", {}, ()),
    ],
)
def test_what_is_here_and_does_stays(
    asked: str,
    there: dict[str, str],
    pins: tuple[str, ...],
    packages: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trials, "overlay_of_this_process", lambda: here(there))
    made = wheel(tmp_path, "limner", "9.0", {"limner/__init__.py": ""}, [asked])
    found = trial(tmp_path / "environment", str(made))
    assert (found.version, found.pins) == ("9.0", pins)
    inside = {path.name for path in (tmp_path / "environment").glob("lib/python*/site-packages/*.dist-info")}
    assert inside == {"limner-9.0.dist-info", *(f"{pin.replace('==', '-')}.dist-info" for pin in pins)}


def test_a_version_of_the_index(packages: Path, tmp_path: Path) -> None:
    wheel(packages, "limner", "9.1", {"limner/__init__.py": ""})
    assert trial(tmp_path / "environment", "9.1").version == "9.1"
    with pytest.raises(UpgradeProblem, match="that version cannot be installed"):
        trial(tmp_path / "environment", "9.2")


def test_what_is_no_limner(packages: Path, tmp_path: Path) -> None:
    with pytest.raises(UpgradeProblem, match="cannot be installed"):
        trial(tmp_path / "environment", str(packages / "paint-1.0-py3-none-any.whl"))


def test_the_variant_of_torch_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(trials, "run_uv", lambda command, problem, text: given.append(command))
    for versions in ({"torch": "2.9.0+cpu"}, {"torch": "2.9.0"}, {}):
        trials.install(Path("python"), ["torch==3.0"], "", versions)
    trials.install(Path("python"), ["paint==3.0"], "", {"torch": "2.9.0+cpu"})
    assert [command[-4:-2] == ["--torch-backend", "cpu"] for command in given] == [True, False, False, False]
