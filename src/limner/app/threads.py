"""How the threads of numeric libraries wait.

By default they spin while they wait for each other. On a machine that does anything else at the same time that makes
small models many times slower, as the spinning threads keep the working ones off the cores. Sleeping costs little.
"""

from __future__ import annotations

import os


def wait_asleep() -> None:
    """Let threads sleep while they wait, unless the user has said otherwise. Call it before torch is imported."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
