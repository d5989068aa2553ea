"""What can go wrong here, each with the remedy in the message.

DiffusionError
├── CheckpointError     a model file that cannot be used: truncated, mistyped, pickled, of an unknown family
├── AdapterError        a LoRA file that cannot be used, or fits nothing of the model
├── EmbeddingError      a textual-inversion file that cannot be used
├── ConditioningError   conditioning that another kind of text encoder made
└── DeviceError         a device or a precision that this machine does not have
"""

from pathlib import Path


class DiffusionError(Exception):
    """A failure that the user can act on.

    `problem` says what is wrong, `remedy` what to do about it; the message holds both.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy


class FileError(DiffusionError):
    """A file that cannot be used; `path` names it and the message begins with its name."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path.name}: {problem}", remedy)
        self.path = path


class CheckpointError(FileError):
    """This file is no model that can be loaded."""


class AdapterError(FileError):
    """This file is no LoRA that can be applied."""


class EmbeddingError(FileError):
    """This file is no textual-inversion embedding for this text encoder."""


class ConditioningError(DiffusionError):
    """This conditioning does not fit the model, or another conditioning."""


class DeviceError(DiffusionError):
    """This machine has no such device or precision."""
