"""Where settings come from, which source wins, and what a wrong one says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limner.settings import Settings, SettingsError, as_flags, declarations, flag, resolve, variable


def test_the_base_directory_is_the_home_folder_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = resolve({}, {}, tmp_path)
    assert settings.base_directory == tmp_path / "home" / ".limner"
    assert settings.output_directory == settings.base_directory / "output"
    assert settings.temp_directory == settings.base_directory / "temp"
    assert (settings.listen, settings.port) == ("127.0.0.1", 8188)


def test_the_nearest_folder_with_a_settings_file_is_the_base_directory(tmp_path: Path) -> None:
    (tmp_path / "limner.toml").write_text('port = 9000\ninput-directory = "pictures"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    settings = resolve({}, {}, below)
    assert settings.base_directory == tmp_path
    assert settings.port == 9000
    assert settings.input_directory == tmp_path / "pictures"


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "limner.toml").write_text('port = 1\nlisten = "1.1.1.1"\nprecision = "bf16"\n')
    environment = {"LIMNER_PORT": "2", "LIMNER_LISTEN": "2.2.2.2"}
    settings = resolve({"port": 3, "listen": None}, environment, tmp_path)
    assert (settings.port, settings.listen, settings.precision) == (3, "2.2.2.2", "bf16")


def test_temp_directory_names_the_parent_as_comfyui_has_it(tmp_path: Path) -> None:
    assert resolve({"temp_directory": "scratch"}, {}, tmp_path).temp_directory == tmp_path / "scratch" / "temp"


def test_several_model_path_files(tmp_path: Path) -> None:
    settings = resolve({}, {"LIMNER_EXTRA_MODEL_PATHS_CONFIG": "a.yaml:/b.yaml"}, tmp_path)
    assert settings.extra_model_paths_config == (tmp_path / "a.yaml", Path("/b.yaml"))


def test_choices_are_taken_in_any_case_and_kept_in_ours(tmp_path: Path) -> None:
    assert resolve({"verbose": "debug"}, {}, tmp_path).verbose == "DEBUG"


def test_cpu_chooses_the_device(tmp_path: Path) -> None:
    assert resolve({"cpu": True}, {}, tmp_path).device == "cpu"
    assert resolve({}, {"LIMNER_CPU": "off"}, tmp_path).device == "auto"


@pytest.mark.parametrize(
    ("flags", "file", "source", "remedy"),
    [
        ({"port": 99999}, "", "--port", "0 to 65535"),
        ({"port": "no"}, "", "--port", "whole number"),
        ({"preview_method": "fancy"}, "", "--preview-method", "none, auto"),
        ({}, "prot = 1", "limner.toml", "Did you mean 'port'?"),
        ({}, "port = ", "limner.toml", "Mend that line"),
        ({}, "cpu = 7", "cpu", "true or false"),
        ({}, "listen = 3", "listen", "Give text"),
        ({}, "port = true", "port", "whole number"),
        ({}, "output_directory = 4", "output_directory", "path"),
    ],
)
def test_wrong_settings_name_their_source_and_the_remedy(
    tmp_path: Path, flags: dict[str, object], file: str, source: str, remedy: str
) -> None:
    (tmp_path / "limner.toml").write_text(file)
    with pytest.raises(SettingsError) as caught:
        resolve(flags, {}, tmp_path)
    assert source in caught.value.source
    assert remedy in str(caught.value)


def test_settings_cross_to_another_process_as_json(tmp_path: Path) -> None:
    given = {"temp_directory": "scratch", "cpu": True, "extra_model_paths_config": ["a.yaml"], "port": 0}
    settings = resolve(given, {"LIMNER_FRONT_END_ROOT": "x"}, tmp_path)
    assert resolve(json.loads(json.dumps(as_flags(settings))), {}, Path("/")) == settings


def test_every_setting_has_help_a_flag_and_a_variable() -> None:
    names = [name for name, _, how in declarations() if how.help.endswith(".")]
    assert names == list(Settings.__dataclass_fields__)
    assert flag("front_end_root") == "--front-end-root"
    assert variable("front_end_root") == "LIMNER_FRONT_END_ROOT"


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 2**30), ("512 MB", 512 * 2**20), ("1.5g", 3 * 2**29), ("20GiB", 20 * 2**30), ("700", 700), (5, 5)],
)
def test_sizes(text: object, size: int, tmp_path: Path) -> None:
    settings = resolve({"cache_memory": text}, {}, tmp_path)
    assert settings.cache_memory == size
    assert resolve(as_flags(settings), {}, tmp_path).cache_memory == size


def test_memory_that_is_left_to_the_machine_is_in_gigabytes(tmp_path: Path) -> None:
    assert resolve({"cache_ram": "2.5"}, {}, tmp_path).cache_ram == 2.5 * 2**30


@pytest.mark.parametrize("text", ["much", "-1GB", "4XB", "", "GB", True])
def test_what_is_no_size(text: object, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="4GB"):
        resolve({"cache_memory": text}, {}, tmp_path)


def test_kinds_of_caches_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--cache-classic"):
        resolve({"cache_classic": True, "cache_lru": 5}, {}, tmp_path)
