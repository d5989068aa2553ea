"""Ray's token: who does not have it cannot join the cluster, nor run anything there.

Ray looks for it in `RAY_AUTH_TOKEN`, in the file that `RAY_AUTH_TOKEN_PATH` names, and in `~/.ray/auth_token`; and asks
for one in the clusters that it starts, but not everywhere in those that it joins, unless `RAY_AUTH_MODE` says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MODE = "RAY_AUTH_MODE"
PLACES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
SECONDS = 60.0


def use_token(*, make: bool = False) -> None:
    """Have Ray ask for the token in all that this process does, if there is one; call it before Ray is imported.

    `make` one where there is none. Nothing is done where `RAY_AUTH_MODE` says what is wanted.
    """
    if MODE in os.environ:
        return
    if make and not _there():
        command = [sys.executable, "-m", "ray.scripts.scripts", "get-auth-token", "--generate"]
        environment = {**os.environ, MODE: "token"}
        subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, env=environment)
    if _there():
        os.environ[MODE] = "token"


def _there() -> bool:
    return any(os.environ.get(name) for name in PLACES) or (Path.home() / ".ray" / "auth_token").is_file()
