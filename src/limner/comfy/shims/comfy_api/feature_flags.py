"""ComfyUI's `comfy_api.feature_flags`: what the server and a client have agreed on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SERVER_FEATURE_FLAGS: Mapping[str, Any] = {"supports_preview_metadata": True}


def get_server_features() -> dict[str, Any]:
    return dict(SERVER_FEATURE_FLAGS)


def get_connection_feature(
    sockets_metadata: Mapping[str, Mapping[str, Any]], sid: str, feature_name: str, default: Any = False
) -> Any:
    """What the client of this socket said of a feature."""
    return (sockets_metadata.get(sid) or {}).get("feature_flags", {}).get(feature_name, default)


def supports_feature(sockets_metadata: Mapping[str, Mapping[str, Any]], sid: str, feature_name: str) -> bool:
    return get_connection_feature(sockets_metadata, sid, feature_name) is True
