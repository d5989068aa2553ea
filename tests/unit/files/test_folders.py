from __future__ import annotations

import os
from pathlib import Path

import pytest

from limner.files import Folders, MissingFile, UnknownFolder, UnsafeName, package_data
from limner.graph import FileChoices


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders.under(tmp_path / "base")
    made.prepare()
    return made


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_every_kind_of_comfyuis_has_its_folders(folders: Folders) -> None:
    kinds = (
        "checkpoints configs loras vae text_encoders diffusion_models clip_vision style_models embeddings diffusers "
        "vae_approx controlnet gligen upscale_models custom_nodes hypernetworks photomaker classifiers model_patches "
        "audio_encoders"
    )
    assert set(folders.models) == set(kinds.split())
    models = folders.base / "models"
    assert folders.model_folder("text_encoders").paths[:2] == (models / "text_encoders", models / "clip")
    assert folders.model_folder("unet") == folders.model_folder("diffusion_models")
    assert folders.model_folder("clip") == folders.model_folder("text_encoders")
    assert folders.model_folder("checkpoints").paths[-1] == package_data() / "models" / "checkpoints"
    assert (models / "loras").is_dir()
    assert folders.model_folder("loras").paths == (models / "loras", folders.output / "loras")


def test_places_can_be_elsewhere(tmp_path: Path) -> None:
    folders = Folders.under(tmp_path / "base", output=tmp_path / "pictures", temp=tmp_path / "t")

    assert folders.media_folder("output") == tmp_path / "pictures"
    assert folders.media_folder("temp") == tmp_path / "t"
    assert folders.media_folder("input") == tmp_path / "base" / "input"
    with pytest.raises(UnknownFolder):
        folders.media_folder("user")
    with pytest.raises(UnknownFolder, match="loras"):
        folders.model_folder("no_such_kind")


def test_lists_are_sorted_recursive_and_of_the_kinds_extensions(folders: Folders) -> None:
    root = folders.model_folder("loras").paths[0]
    touch(root / "b.safetensors", root / "A.PT", root / "sub/deep/c.ckpt", root / "notes.txt", root / ".git/x.pt")

    assert folders.model_files("loras") == ["A.PT", "b.safetensors", "sub/deep/c.ckpt"]


def test_a_name_in_two_places_is_listed_once_and_found_in_the_first(folders: Folders) -> None:
    first, second = folders.model_folder("controlnet").paths
    touch(first / "a.pth", second / "a.pth", second / "b.pth")

    assert folders.model_files("controlnet") == ["a.pth", "b.pth"]
    assert folders.resolve("controlnet", "a.pth") == first / "a.pth"
    assert folders.resolve("controlnet", "b.pth") == second / "b.pth"


def test_links_in_model_folders_are_followed_and_loops_end(folders: Folders, tmp_path: Path) -> None:
    root = folders.model_folder("vae").paths[0]
    touch(tmp_path / "elsewhere/x.pt")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "single.pt").symlink_to(tmp_path / "elsewhere/x.pt")
    (root / "loop").symlink_to(root)

    assert folders.model_files("vae") == ["linked/x.pt", "single.pt"]
    assert folders.resolve("vae", "linked/x.pt").is_file()


def test_lists_are_fresh(folders: Folders) -> None:
    root = folders.model_folder("loras").paths[0]
    assert folders.model_files("loras") == []
    touch(root / "a.pt")
    assert folders.model_files("loras") == ["a.pt"]
    touch(root / "sub/b.pt")
    assert folders.model_files("loras") == ["a.pt", "sub/b.pt"]
    (root / "sub/b.pt").rename(root / "sub/c.pt")
    assert folders.model_files("loras") == ["a.pt", "sub/c.pt"]
    (root / "a.pt").unlink()
    assert folders.model_files("loras") == ["sub/c.pt"]


def test_settled_folders_are_not_read_again(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folders.model_folder("loras").paths[0]
    touch(root / "sub/a.pt")
    for path in (root, root / "sub"):
        os.utime(path, (1_000_000, 1_000_000))
    folders.model_files("loras")
    read: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: read.append(path) or scandir(path))

    assert folders.model_files("loras") == ["sub/a.pt"]
    assert read == []
    os.utime(root / "sub", (1_000_001, 1_000_001))
    assert folders.model_files("loras") == ["sub/a.pt"]
    assert read


def test_media_are_listed_by_kind_without_subfolders(folders: Folders) -> None:
    touch(*(folders.input / name for name in ("b.webp", "a.JPG", "c.mp4", "d.wav", "e.txt", "f.glb", "sub/g.png")))

    assert folders.media_files("input", ("image",)) == ["a.JPG", "b.webp", "example.png"]
    assert folders.media_files("input", ("video", "audio")) == ["c.mp4", "d.wav"]
    assert folders.media_files("input", ("model",)) == ["f.glb"]
    assert "e.txt" in folders.media_files("input")


def test_choices_are_files_between_fixed_values(folders: Folders) -> None:
    touch(folders.model_folder("vae").paths[0] / "a.pt")

    assert folders.choices(FileChoices("vae", extra=("none",), after=("pixel_space",))) == [
        "none",
        "a.pt",
        "pixel_space",
    ]
    assert folders.choices(FileChoices("input", kinds=("image",))) == ["example.png"]


@pytest.mark.parametrize(
    "name",
    [
        *("../x.pt", "a/../../x.pt", "/etc/passwd", "\\\\host\\x", "C:/x.pt", "~/x.pt", "a\0b", "a\nb", "", "  "),
        *(f"{'é' * 126}.png", "a/" * 2000),
    ],
)
@pytest.mark.parametrize("kind", ["loras", "input"])
def test_unsafe_names_are_refused(folders: Folders, kind: str, name: str) -> None:
    with pytest.raises(UnsafeName):
        folders.resolve(kind, name)


def test_links_out_of_the_input_folder_are_refused(folders: Folders, tmp_path: Path) -> None:
    touch(tmp_path / "secret.png", folders.input / "own.png")
    (folders.input / "out.png").symlink_to(tmp_path / "secret.png")
    (folders.input / "inner.png").symlink_to(folders.input / "own.png")

    with pytest.raises(UnsafeName, match="link"):
        folders.resolve("input", "out.png")
    assert folders.resolve("input", "inner.png").is_file()


def test_missing_files_say_where_to_put_them(folders: Folders) -> None:
    with pytest.raises(MissingFile, match=r"gone\.pt.*loras.*Put it into"):
        folders.resolve("loras", "gone.pt")
    with pytest.raises(MissingFile):
        folders.resolve("loras", "sub")


@pytest.mark.parametrize(
    ("name", "folder"),
    [("a.png", "input"), ("a.png [output]", "output"), ("s/a.png [temp]", "temp"), ("a.png[input]", "input")],
)
def test_annotated_names(folders: Folders, name: str, folder: str) -> None:
    plain = name.split("[", maxsplit=1)[0].strip()
    touch(folders.media_folder(folder) / plain)

    assert folders.locate(name) == folders.media_folder(folder) / plain


def test_preparing_twice_changes_nothing(folders: Folders) -> None:
    (folders.input / "example.png").unlink()
    folders.prepare()

    assert folders.media_files("input") == []


def test_a_user_has_own_media_folders_and_the_same_models(tmp_path: Path) -> None:
    folders = Folders.under(tmp_path)
    folders.prepare()
    own = folders.of("bob")
    assert own is folders.of("bob") and folders.of("") is folders
    assert (own.input, own.output, own.temp) == tuple(
        tmp_path / n / "users" / "bob" for n in ("input", "output", "temp")
    )
    assert own.models is folders.models and own.user == folders.user
    assert own.media_files("input") == ["example.png"]
    (own.output / "a.png").write_bytes(b"x")
    assert folders.media_files("output") == [] and folders.of("carl").media_files("output") == []
    assert own.save_path("a/b").folder == tmp_path / "output" / "users" / "bob" / "a"


@pytest.mark.parametrize("name", ["..", "a/b", "/etc", "nul", "a\x00", "users/../.."])
def test_a_user_of_no_name_has_no_folders(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeName):
        Folders.under(tmp_path).of(name)


def test_a_user_has_no_users(tmp_path: Path) -> None:
    with pytest.raises(UnsafeName):
        Folders.under(tmp_path).of("bob").of("carl")
