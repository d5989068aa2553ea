"""Signatures of webhooks: as the specification's own example, and as a receiver checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import stat
from pathlib import Path

from limner.server.signing import KEY_FILE, server_key, signed


def test_the_example_of_the_specification() -> None:
    headers = signed(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        1614265330,
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"


def test_a_secret_of_another_form_is_taken_as_it_is() -> None:
    for secret in ("a secret of sixteen bytes", "whsec_not base64 at all"):
        headers = signed(secret, "id", b"body", 5)
        expected = hmac.new(secret.encode(), b"id.5.body", hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"


def test_the_servers_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = server_key(tmp_path)
    assert len(base64.b64decode(key.removeprefix("whsec_"))) == 32
    assert server_key(tmp_path) == key
    path = tmp_path / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
