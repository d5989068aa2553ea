"""Where results are remembered.

- `MemoryCache(budget=bytes, entries=None, ...)`, `DiskCache(jobs, shared, budget)` and `TieredCache(memory, disk)`
  implement `engine.ports.Cache`: what is cheapest to make again for each byte goes first, and nothing that a run holds
  goes at all. They know names and sizes, never values.
- `journal.Journal(jobs, shared)` is the host's side of the disk: it writes values, and finds them again.
- Beneath both: `shelf` (a folder of packs), `packfile` (one file of finished steps), `codec` (values as bytes), `tape`
  (what a long call has done so far).
"""

from .disk import DiskCache, prune
from .memory import MemoryCache
from .tiered import TieredCache

__all__ = ["DiskCache", "MemoryCache", "TieredCache", "prune"]
