"""Signatures of webhooks, by the Standard Webhooks specification (standardwebhooks.com), symmetric scheme `v1`.

A request has the headers `webhook-id` (the same at each attempt), `webhook-timestamp` (seconds since 1970) and
`webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. A secret that begins with `whsec_`
is base64 behind that; any other is taken as the bytes of its text.

The server's own key is made when it is first needed and kept in `limner/webhook.key` of the user folder, for its owner
alone.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
import time
from pathlib import Path

PREFIX = "whsec_"
LEAST_SECRET = 16
"""Bytes."""
KEY_FILE = Path("limner", "webhook.key")
KEY_BYTES = 32


def signed(secret: str, message: str, body: bytes, now: float | None = None) -> dict[str, str]:
    """The headers of a request whose id is `message`."""
    stamp = str(int(time.time() if now is None else now))
    digest = hmac.new(_key(secret), f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        with contextlib.suppress(binascii.Error, ValueError):
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    return secret.encode()


def server_key(user: Path) -> str:
    """The key of the server with this user folder. Raises OSError."""
    path = user / KEY_FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)  # for its owner alone
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another server of this folder was first
                os.link(temporary, path)
        finally:
            os.unlink(temporary)
    return path.read_text("utf-8").strip()
