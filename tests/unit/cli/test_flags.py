"""Settings as flags, in ComfyUI's freer forms too."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from limner.cli.errors import BadInput
from limner.cli.flags import expanded, with_settings
from limner.settings import Settings


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["serve", "--listen"], ["serve", "--listen", "0.0.0.0,::"]),
        (["serve", "--listen", "--port", "1"], ["serve", "--listen", "0.0.0.0,::", "--port", "1"]),
        (["serve", "--metrics-port"], ["serve", "--metrics-port", "8000"]),
        (["serve", "--metrics-port", "9"], ["serve", "--metrics-port", "9"]),
        (["serve", "--listen", "1.2.3.4"], ["serve", "--listen", "1.2.3.4"]),
        (["serve", "--verbose"], ["serve", "--verbose", "DEBUG"]),
        (
            ["run", "--extra-model-paths-config", "a.yaml", "b.yml", "--cpu", "w.json"],
            ["run", "--extra-model-paths-config", "a.yaml", "--extra-model-paths-config", "b.yml", "--cpu", "w.json"],
        ),
        (
            ["run", "--extra-model-paths-config", "a.yaml", "w.json"],
            ["run", "--extra-model-paths-config", "a.yaml", "w.json"],
        ),
    ],
)
def test_free_forms_are_spelt_out(given: list[str], meant: list[str]) -> None:
    assert expanded(given) == meant


def settings_for(*arguments: str) -> Settings:
    """What a command with all settings gets."""
    seen: list[Settings] = []

    @with_settings()
    def command(*, settings: Settings) -> None:
        seen.append(settings)

    app = typer.Typer()
    app.command()(command)
    app(args=expanded(arguments), standalone_mode=False)
    return seen[0]


def test_flags_become_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--port", "0", "--cpu", "--listen", "--verbose", "--base-directory", "here"]
    files = ["--extra-model-paths-config", "a.yaml", "b.yaml"]
    settings = settings_for(*given, *files, "--preview-method", "none", "-o", "out")
    assert (settings.port, settings.cpu, settings.listen, settings.verbose) == (0, True, "0.0.0.0,::", "DEBUG")
    assert settings.base_directory == tmp_path / "here"
    assert settings.extra_model_paths_config == (tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert settings.preview_method == "none"
    assert settings.output_directory == tmp_path / "out"


def test_flags_that_are_not_given_leave_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_CPU", "yes")
    monkeypatch.setenv("LIMNER_PORT", "77")
    settings = settings_for()
    assert settings.cpu and settings.port == 77


def test_a_wrong_value_is_bad_input() -> None:
    with pytest.raises(BadInput) as caught:
        settings_for("--precision", "fp7")
    assert "--precision" in caught.value.problem and "fp32" in caught.value.remedy
