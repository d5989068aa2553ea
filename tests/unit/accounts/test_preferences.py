"""Settings are kept by profile, in a database."""

from __future__ import annotations

from pathlib import Path

from limner.accounts import Preferences
from limner.database import Database


async def test_each_profile_has_its_own(tmp_path: Path) -> None:
    database = Database(tmp_path / "library.sqlite", "library")
    preferences = Preferences(database)
    assert preferences.read("default") is None
    await preferences.begin("default", {"a": 1, "b": {"c": [None, "☃"]}})
    await preferences.begin("default", {"a": 2, "z": 9})
    await preferences.change("profiles/ann", {"a": 3})
    await preferences.change("default", {"a": 4})
    database.close()
    again = Database(tmp_path / "library.sqlite", "library")
    assert Preferences(again).read("default") == {"a": 4, "b": {"c": [None, "☃"]}}
    assert Preferences(again).read("profiles/ann") == {"a": 3}
    again.close()


async def test_an_empty_profile_is_begun(tmp_path: Path) -> None:
    database = Database(tmp_path / "library.sqlite", "library")
    await Preferences(database).begin("default", {})
    assert Preferences(database).read("default") == {}
    database.close()
