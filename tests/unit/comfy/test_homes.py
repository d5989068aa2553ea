"""Packs' nodes find the files of whoever the run belongs to, however they ask for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.engine.ports import HOME_KEY, Ended, Inquiry, Report, Segment, Task
from limner.files import Folders
from limner.graph import Lane
from tests.support.pack_host import PackHost, pack_host

PACKS = Path(__file__).parents[2] / "fixtures" / "packs_homes"


async def where(host: PackHost, home: str, run: str) -> list[str]:
    reports: list[Report] = []
    task = Task("1", "1", "Where", f"f-{run}", {"file": "a.png"}, (), Lane.DEVICE)
    await host.core.run(Segment(run, (task,), {"prompt": {}, HOME_KEY: home}), reports.extend)
    assert any(isinstance(report, Ended) for report in reports)
    return str(host.core.items(f"f-{run}", 0)[0]).split("\n")


async def complaint(host: PackHost, home: str) -> tuple[str | None, object]:
    asked = Inquiry("1", "Where", {"file": "a.png"}, {}, validate=True, token=True, home=home)
    (answer,) = await host.core.inquire("q", [asked])
    return answer.complaint, answer.token


@pytest.mark.parametrize("home", ["", "bob"])
async def test_a_pack_is_told_the_folders_of_its_run(home: str, tmp_path: Path) -> None:
    with pack_host(tmp_path, PACKS) as host:
        host.core.services.by_home(Folders, Folders.of)
        mine = Path("users", home) if home else Path()
        found = await where(host, home, "r")
        output, temp, files = (tmp_path / name / mine for name in ("output", "temp", "input"))
        assert found[:7] == [
            str(output),
            str(output),
            str(temp),
            str(files / "a.png"),
            str(output / "a.png"),
            str(output),
            str(output),
        ]


async def test_users_do_not_share_objects_nor_answers(tmp_path: Path) -> None:
    with pack_host(tmp_path, PACKS) as host:
        host.core.services.by_home(Folders, Folders.of)
        counts = [(await where(host, home, f"r{number}"))[7] for number, home in enumerate(("", "bob", "bob", "carl"))]
        assert counts == ["1", "1", "2", "1"]
        (tmp_path / "input" / "users" / "bob" / "a.png").write_bytes(b"x")
        assert await complaint(host, "bob") == (None, str(tmp_path / "input" / "users" / "bob" / "a.png"))
        assert (await complaint(host, "carl"))[0] == "no a.png"
        assert (await complaint(host, ""))[0] == "no a.png"


async def test_what_a_pack_sets_stays(tmp_path: Path) -> None:
    with pack_host(tmp_path, PACKS) as host:
        import folder_paths

        folder_paths.output_directory = "/elsewhere"
        try:
            assert folder_paths.get_output_directory() == "/elsewhere"
            assert (await where(host, "", "r"))[1] == "/elsewhere"
        finally:
            del folder_paths.output_directory
        with pytest.raises(AttributeError):
            folder_paths.no_such_directory  # noqa: B018
