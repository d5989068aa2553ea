"""`pip`, as packs call it while they are imported: what it installs lands beside Limner's packages, never among them.

The folder of this package is put before all others where a host, and the processes that it starts, look for modules:
`python -m pip`, the script `pip` and `import pip` then find the `pip` in it. `pip install` resolves as `limner packs
install` does (`limner.packs.requirements`), and puts what Limner does not have into one folder, which hosts have at the
end of their path. Everything else is for the real pip, and so is what another Python is asked for.
"""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
TARGET, PREFIX = "LIMNER_PIP_TARGET", "LIMNER_PIP_PREFIX"
"""Environment variables: where packages are put, and of which Python this is said. `pip` knows their names too."""


def take_over(target: Path) -> None:
    """From now on `pip install` in this process and its children puts packages into `target`, which is on the path."""
    target.mkdir(parents=True, exist_ok=True)
    os.environ |= {TARGET: str(target), PREFIX: sys.prefix}
    inherited = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if str(FOLDER) not in inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(FOLDER), *inherited])
    known = list(sys.path)
    site.addsitedir(str(target))
    added = [entry for entry in sys.path if entry not in known]
    sys.path[:] = [*([str(FOLDER)] if str(FOLDER) not in known else []), *known, *added]
