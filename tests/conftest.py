"""What holds for all tests: the threads of numeric libraries wait asleep, so that test processes share the cores."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
