"""The commands, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from limner.cli.main import status
from tests.scenarios.workflows import inverted, texts


class Shell:
    """Runs commands over one base directory."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capture = folder, capture

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._capture.readouterr()
        code = status([*arguments, "--base-directory", str(self.folder)])
        told = self._capture.readouterr()
        return code, told.out, told.err

    def file(self, content: object, name: str = "workflow.json") -> str:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return str(path)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capsys)


def pixel(path: str | Path) -> tuple[int, ...]:
    from PIL import Image

    with Image.open(path) as image:
        value = image.convert("RGB").getpixel((0, 0))
    assert isinstance(value, tuple)
    return value


def test_run_prints_the_path_of_what_it_saved(shell: Shell) -> None:
    code, out, _ = shell.run("run", shell.file(inverted()))
    assert code == 0
    assert out == f"{shell.folder}/output/inverted_00001_.png\n"
    assert pixel(out.strip()) == (0, 255, 255)


def test_run_says_why_each_step_ran(shell: Shell) -> None:
    code, _, err = shell.run("run", shell.file(inverted()), "--explain")
    assert code == 0
    assert err.count("for the first time") == 3
    assert "Invert Image" in err


def test_inputs_are_set_and_results_go_where_they_are_wanted(shell: Shell) -> None:
    workflow = shell.file(inverted())
    code, out, _ = shell.run(
        "run", workflow, "--set", "EmptyImage.color=255", "--set", "3.filename_prefix=a", "-o", "here"
    )
    assert code == 0
    assert out == f"{shell.folder}/here/a_00001_.png\n"
    assert pixel(out.strip()) == (255, 255, 0)


def test_a_saved_picture_is_a_workflow(shell: Shell) -> None:
    _, out, _ = shell.run("run", shell.file(inverted()))
    code, again, _ = shell.run("run", out.strip(), "--set", "1.color=0")
    assert code == 0
    assert pixel(again.strip()) == (255, 255, 255)


def test_without_metadata_a_picture_is_only_a_picture(shell: Shell) -> None:
    _, out, _ = shell.run("run", shell.file(inverted()), "--disable-metadata")
    code, _, err = shell.run("run", out.strip())
    assert code == 2
    assert "no workflow inside" in err


def noise() -> dict[str, Any]:
    workflow = inverted("noise")
    workflow["2"] = {"class_type": "ImageAddNoise", "inputs": {"image": ["1", 0], "seed": 1, "strength": 0.5}}
    return workflow


def test_seed_and_repeat(shell: Shell) -> None:
    workflow = shell.file(noise())
    code, out, _ = shell.run("run", workflow, "--seed", "5", "--repeat", "2")
    first, second = out.split()
    assert code == 0
    assert Path(first).read_bytes() != Path(second).read_bytes()
    _, again, _ = shell.run("run", workflow, "--seed", "6")
    assert Path(again.strip()).read_bytes()[-400:] == Path(second).read_bytes()[-400:]


def test_a_seed_that_nothing_takes_is_bad_input(shell: Shell) -> None:
    code, _, err = shell.run("run", shell.file(inverted()), "--seed", "5")
    assert code == 2
    assert "no node of the workflow has a seed" in err


def test_the_editors_form_runs(shell: Shell) -> None:
    nodes = [
        {"id": 1, "type": "EmptyImage", "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
         "widgets_values": [16, 8, 1, 0xFF0000]},
        {"id": 2, "type": "SaveImage", "title": "Keep", "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
         "widgets_values": ["edited"]},
    ]  # fmt: skip
    workflow = shell.file({"nodes": nodes, "links": [[1, 1, 0, 2, 0, "IMAGE"]], "version": 0.4})
    code, out, _ = shell.run("run", workflow, "--set", "Keep.filename_prefix=kept")
    assert code == 0
    assert out == f"{shell.folder}/output/kept_00001_.png\n"
    code, out, _ = shell.run("convert", workflow)
    assert code == 0
    assert json.loads(out)["2"]["inputs"] == {"filename_prefix": "edited", "images": ["1", 0]}
    assert shell.run("convert", workflow, "--to", "api.json")[0] == 0
    assert json.loads((shell.folder / "api.json").read_text()) == json.loads(out)


def test_a_changed_picture_opens_in_the_editor_as_what_was_run(shell: Shell) -> None:
    from limner.media.metadata import read_embedded

    _, out, _ = shell.run("generate", "red apple", "--seed", "1", "--steps", "1", "--cpu")
    changes = ["--set", "Prompt.text=rocket", "--seed", "9", "--set", "KSampler.sampler_name=heun", "--cpu"]
    _, out, _ = shell.run("run", out.strip(), *changes)
    embedded = read_embedded(Path(out.strip()))
    assert embedded.workflow is not None and embedded.prompt is not None
    values = {node["id"]: node["widgets_values"] for node in embedded.workflow["nodes"]}  # type: ignore[attr-defined]
    assert values[6] == ["rocket"]
    assert values[3][0] == 9 and values[3][4] == "heun"


def test_texts_are_printed(shell: Shell) -> None:
    code, out, _ = shell.run("run", shell.file(texts()))
    assert (code, out.strip()) == (0, "3")


def test_validate_says_everything_at_once(shell: Shell) -> None:
    workflow = inverted()
    assert shell.run("validate", shell.file(workflow))[0] == 0
    workflow["1"]["inputs"] |= {"width": -1, "height": "tall"}
    code, _, err = shell.run("validate", shell.file(workflow))
    assert code == 2
    assert "2 problems" in err and "'width'" in err and "'height'" in err


def test_nodes_are_listed_and_shown(shell: Shell) -> None:
    code, out, _ = shell.run("nodes")
    assert code == 0 and "KSampler" in out and "sampling" in out
    code, out, _ = shell.run("nodes", "ImageScale")
    assert code == 0 and "upscale_method" in out and "lanczos" in out
    code, _, err = shell.run("nodes", "imagescal")
    assert code == 2 and "Did you mean ImageScale" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "missing.json"),
        ("run", "workflow.json", "--repeat", "0"),
        ("run", "workflow.json", "--set", "nonsense"),
        ("run", "workflow.json", "--extra-model-paths-config", "missing.yaml"),
        ("nodes", "--precision", "fp64"),
        ("serve", "--port", "99999999"),
        ("serve", "--front-end-root", "."),
        ("nothing",),
        ("--nothing",),
    ],
)
def test_wrong_commands_are_bad_input(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell.file(inverted())
    code, _, err = shell.run(*arguments)
    assert code == 2
    assert err and "Traceback" not in err


def test_generate_draws_with_the_built_in_model(shell: Shell) -> None:
    code, out, err = shell.run("generate", "red apple", "--seed", "1", "--steps", "2", "--cpu")
    assert code == 0, err
    assert out == f"{shell.folder}/output/limner_00001_.png\n"
    assert "serve" in err
    code, again, _ = shell.run("run", out.strip(), "--set", "Prompt.text=rocket", "--cpu")
    assert code == 0
    assert again == f"{shell.folder}/output/limner_00002_.png\n"
