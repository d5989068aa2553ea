"""Folders of a fresh installation, and a context that has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.files import Folders
from limner.sdk.testing import RecordingContext


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders.under(tmp_path / "base")
    made.prepare()
    return made


@pytest.fixture
def context(folders: Folders) -> RecordingContext:
    return RecordingContext(
        services=(folders,), hidden={"prompt": {"1": {"class_type": "SaveImage"}}, "extra_pnginfo": {"workflow": {}}}
    )
