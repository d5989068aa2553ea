"""ComfyUI's `utils.extra_config`: model folders from a YAML file."""

from __future__ import annotations

import os
from importlib import import_module

import yaml


def load_extra_path_config(yaml_path: str) -> None:
    """Add the folders of a file in the form of `extra_model_paths.yaml`."""
    add = import_module("folder_paths").add_model_folder_path
    with open(yaml_path, encoding="utf-8") as file:
        sections = yaml.safe_load(file) or {}
    beside = os.path.dirname(os.path.abspath(yaml_path))
    for section in sections.values():
        if not section:
            continue
        entries = dict(section)
        base = os.path.expandvars(os.path.expanduser(entries.pop("base_path", "") or ""))
        first = bool(entries.pop("is_default", False))
        for kind, lines in entries.items():
            for line in filter(None, str(lines).split("\n")):
                add(kind, os.path.normpath(os.path.join(beside, base, line)), first)
