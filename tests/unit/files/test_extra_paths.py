from __future__ import annotations

from pathlib import Path

import pytest

from limner.files import BadFile, Folders, MissingFile, read_extra_paths


def written(folder: Path, text: str) -> Path:
    path = folder / "extra_model_paths.yaml"
    folder.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def found(path: Path) -> list[tuple[str, str, bool]]:
    return [(extra.kind, str(extra.path), extra.first) for extra in read_extra_paths(path)]


def test_folders_are_relative_to_the_base_path(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
a111:
    base_path: /data/webui/
    checkpoints: models/Stable-diffusion
    loras: |
         models/Lora
         models/LyCORIS/

    vae: /else/vae
empty:
""",
    )
    assert found(path) == [
        ("checkpoints", "/data/webui/models/Stable-diffusion", False),
        ("loras", "/data/webui/models/Lora", False),
        ("loras", "/data/webui/models/LyCORIS", False),
        ("vae", "/else/vae", False),
    ]


def test_a_relative_or_missing_base_path_begins_at_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "conf", "a:\n  base_path: ../models\n  vae: v\nb:\n  vae: w/../x\n")

    assert found(path) == [("vae", str(tmp_path / "models/v"), False), ("vae", str(tmp_path / "conf/x"), False)]


def test_home_and_environment_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("MODELS", "/mnt/models")
    path = written(tmp_path, "a:\n  base_path: ~/ui\n  vae: v\nb:\n  base_path: ${MODELS}/x\n  vae: v\n")

    assert [place for _, place, _ in found(path)] == ["/home/someone/ui/v", "/mnt/models/x/v"]


def test_defaults_come_first_and_legacy_names_are_known(tmp_path: Path) -> None:
    written(
        tmp_path,
        "a:\n  base_path: /m\n  is_default: true\n  unet: u\n  clip: c\n  checkpoints: k\nb:\n  base_path: /n\n"
        "  checkpoints: k\n  my_kind: z\n",
    )
    folders = Folders.under(tmp_path)

    assert folders.model_folder("diffusion_models").paths[0] == Path("/m/u")
    assert folders.model_folder("text_encoders").paths[0] == Path("/m/c")
    checkpoints = folders.model_folder("checkpoints").paths
    assert checkpoints[0] == Path("/m/k")
    assert checkpoints[1] == tmp_path / "models/checkpoints"
    assert checkpoints[2] == Path("/n/k")
    assert folders.model_folder("my_kind").paths == (Path("/n/z"),)
    assert folders.model_folder("my_kind").extensions == frozenset()


def test_a_known_folder_moves_to_the_front_when_it_becomes_default(tmp_path: Path) -> None:
    written(tmp_path, "a:\n  is_default: true\n  controlnet: models/t2i_adapter\n")

    assert Folders.under(tmp_path).model_folder("controlnet").paths == (
        tmp_path / "models/t2i_adapter",
        tmp_path / "models/controlnet",
    )


def test_files_named_on_the_command_line_are_read_too(tmp_path: Path) -> None:
    path = written(tmp_path / "other", "a:\n  vae: v\n")

    folders = Folders.under(tmp_path / "base", extra_model_paths=[path])

    assert tmp_path / "other/v" in folders.model_folder("vae").paths


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "a: text", "a:\n  vae: 3\n", "a:\n  vae: [x]\n", "\x00"])
def test_what_cannot_be_understood_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFile, match=r"extra_model_paths\.yaml"):
        read_extra_paths(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"gone\.yaml"):
        Folders.under(tmp_path, extra_model_paths=[tmp_path / "gone.yaml"])
