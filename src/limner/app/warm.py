"""`python -m limner.app.warm`: what the first start would have to do, done once after the installation.

Imports everything that a run imports, so that Python has compiled it, and writes the schemas of the nodes.
"""

from __future__ import annotations

import compileall
import importlib
import importlib.util
import sys
from pathlib import Path

from limner.comfy.borrowed import borrowed
from limner.nodes.library import built_in

from .schema_cache import SchemaCache

HEAVY = ("diffusers", "transformers", "accelerate", "safetensors.torch", "aiohttp", "rich.progress", "torchsde")


def main() -> int:
    compileall.compile_dir(str(Path(__file__).resolve().parents[1]), quiet=2, workers=0)
    for name in HEAVY:
        importlib.import_module(name)
    SchemaCache().save([implementation.schema for implementation in (*built_in(), *borrowed())])
    return 0


if __name__ == "__main__":
    sys.exit(main())
