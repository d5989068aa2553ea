"""What the server keeps beside its queue and history: one database, used by every server of a user folder."""

from __future__ import annotations

from pathlib import Path

from limner.accounts import Preferences
from limner.database import Database
from limner.files.assets import AssetStore

from .batches import BatchStore
from .store import WorkflowStore

NAME = "library.sqlite"


class Library:
    """The stores of `folder/library.sqlite`. Close it when done. Raises DatabaseProblem."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / NAME, "library")
        self.workflows = WorkflowStore(self.database)
        self.batches = BatchStore(self.database)
        self.assets = AssetStore(self.database)
        self.preferences = Preferences(self.database)

    def close(self) -> None:
        self.database.close()
