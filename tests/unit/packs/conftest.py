"""An installation to install into, and a shop as the only place that packages come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.files import Folders
from limner.packs.places import Places
from limner.packs.transaction import at_work
from tests.support.wheels import wheel


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`gadget` 1.0 and 2.0; `tool`, which needs gadget 1; and a `msgspec` that is not Limner's."""
    folder = tmp_path / "shop"
    wheel(folder, "gadget", "1.0", {"gadget.py": "VERSION = 1\n"})
    wheel(folder, "gadget", "2.0", {"gadget.py": "VERSION = 2\n"})
    wheel(folder, "tool", "1.0", {"tool.py": "import gadget\n"}, ["gadget<2"])
    wheel(folder, "msgspec", "0.1", {"msgspec.py": ""})
    for name, value in {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(folder), "UV_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    with at_work(Places.of(Folders.under(tmp_path / "base"))) as found:
        yield found


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """Where packs come from."""
    folder = tmp_path / "packs"
    folder.mkdir()
    return folder
