"""Files that nodes ask for by key, read once."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


class ResourceKey:
    """Names something to load."""

    Type: Any = Any


@dataclass(frozen=True)
class TorchDictFolderFilename(ResourceKey):
    """A file of tensors in a model folder."""

    folder_name: str
    file_name: str


class ResourcesLocal:
    """What has been loaded, by key."""

    def __init__(self) -> None:
        self.local_resources: dict[ResourceKey, Any] = {}

    def get(self, key: ResourceKey, default: Any = ...) -> Any:
        """Raises FileNotFoundError where there is no such file and no default, TypeError for an unknown key."""
        if key in self.local_resources:
            return self.local_resources[key]
        if not isinstance(key, TorchDictFolderFilename):
            raise TypeError(f"a resource of the kind {type(key).__name__} cannot be loaded")
        folder_paths = importlib.import_module("folder_paths")
        path = folder_paths.get_full_path(key.folder_name, key.file_name)
        if path is None and default is not ...:
            return default
        path = folder_paths.get_full_path_or_raise(key.folder_name, key.file_name) if path is None else path
        loaded = importlib.import_module("comfy.utils").load_torch_file(path, safe_load=True)
        self.local_resources[key] = loaded
        return loaded


Resources = ResourcesLocal
