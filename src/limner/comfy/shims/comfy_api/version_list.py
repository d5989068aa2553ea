"""ComfyUI's `comfy_api.version_list`: the versions of the interface."""

from . import latest, v0_0_1, v0_0_2

supported_versions = [latest.ComfyAPI, v0_0_2.ComfyAPI, v0_0_1.ComfyAPI]
