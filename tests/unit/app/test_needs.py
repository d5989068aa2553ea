"""What queued jobs need of workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.app.needs import JobNeeds, at_home
from limner.executors.fleet.facts import Needs
from limner.files import Folders
from limner.graph import Catalog, FileChoices, Input, NodeSchema, Traits
from limner.queue import MemoryQueue, NewJob

LOADER = NodeSchema(
    "Loader",
    inputs=(
        Input("name", "COMBO", choices=FileChoices("checkpoints", extra=("none",))),
        Input("other", "COMBO", choices=FileChoices("loras")),
    ),
)
PICTURE = NodeSchema("Picture", inputs=(Input("image", "COMBO", choices=FileChoices("input", kinds=("image",))),))
SAVE = NodeSchema("Save", inputs=(Input("images", "IMAGE"),), traits=Traits(output=True))
CATALOG = Catalog([LOADER, PICTURE, SAVE])


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = Folders.under(tmp_path, built_in=False)
    folders.prepare()
    (tmp_path / "models" / "checkpoints" / "big.safetensors").write_bytes(b"x" * 5000)
    return folders


async def needs(folders: Folders, prompt: dict[str, object]) -> Needs:
    queue = MemoryQueue()
    job = await queue.add(NewJob("job", prompt=prompt, targets=("1",)))
    return JobNeeds(queue, folders, lambda: CATALOG).of(job.place)


async def test_types_models_and_memory(folders: Folders) -> None:
    found = await needs(
        folders,
        {
            "1": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
            "2": {"class_type": "Loader", "inputs": {"name": "big.safetensors", "other": "sub/small.safetensors"}},
            "3": {"class_type": "Picture", "inputs": {"image": "example.png"}},
        },
    )
    assert found.node_types == {"Loader"}
    assert found.models == {("checkpoints", "big.safetensors"), ("loras", "sub/small.safetensors")}
    assert found.memory == 5000


async def test_choices_that_are_no_files_and_links_are_no_models(folders: Folders) -> None:
    found = await needs(folders, {"2": {"class_type": "Loader", "inputs": {"name": "none", "other": ["3", 0]}}})
    assert found.models == frozenset()


async def test_a_prompt_that_is_none_needs_nothing(folders: Folders) -> None:
    assert (await needs(folders, {"2": "no node"})).node_types == frozenset()


def test_what_has_to_do_with_files_stays_at_home() -> None:
    assert [at_home(schema) for schema in (LOADER, PICTURE, SAVE)] == [False, True, True]
