"""Folders and files: where models, inputs and outputs are, which names are safe, and how files are written.

Standard library and PyYAML only, so that every process can use it; fsspec where there is a store of models.
"""

from .atomic import write_atomic, write_new
from .errors import BadFile, CannotWrite, FileProblem, MissingFile, UnknownFolder, UnsafeName
from .extra_paths import ExtraPath, read_extra_paths
from .folders import MEDIA_FOLDERS, Folders, package_data
from .kinds import media_kind, media_type
from .leftovers import clear_leftovers
from .model_folders import ModelFolder
from .names import below, checked, split_annotation
from .save_path import SavePath, fill_tokens, save_path
from .store import ModelStore

__all__ = [
    "MEDIA_FOLDERS",
    "BadFile",
    "CannotWrite",
    "ExtraPath",
    "FileProblem",
    "Folders",
    "MissingFile",
    "ModelFolder",
    "ModelStore",
    "SavePath",
    "UnknownFolder",
    "UnsafeName",
    "below",
    "checked",
    "clear_leftovers",
    "fill_tokens",
    "media_kind",
    "media_type",
    "package_data",
    "read_extra_paths",
    "save_path",
    "split_annotation",
    "write_atomic",
    "write_new",
]
