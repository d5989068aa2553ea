"""ComfyUI's modules, as packs import them, over Limner. In hosts only.

The files below this folder are imported under ComfyUI's own names (`folder_paths`, `nodes`, `comfy.utils`, ...), never
as part of `limner`. Each asks for the `Bridge` to its host (`bridge_of`), which is where all state is. `install` makes
the names importable, `uninstall` takes them away again.
"""

from .bridge import Bridge
from .finder import install, uninstall

__all__ = ["Bridge", "install", "uninstall"]
