"""The garbage collector of processes that handle graphs."""

from __future__ import annotations

import gc


def calm_collector() -> None:
    """Let it look less often, and never at what is there already.

    Graphs are thousands of small objects without cycles: looking through them again and again doubles their cost, and
    in a host every look goes through all of torch as well.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
