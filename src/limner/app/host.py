"""The host process: `python -m limner.app.host SETTINGS`, with the settings as JSON flags. Started by the server."""

from __future__ import annotations

import json
import sys

from limner.plugins.host import HostCore
from limner.plugins.serve import serve
from limner.settings import resolve
from limner.telemetry import logs

from .collector import calm_collector
from .threads import wait_asleep


def main() -> int:
    wait_asleep()
    settings = resolve(json.loads(sys.argv[1]), {})
    logs.configure(settings.verbose)

    def build() -> HostCore:
        from .core import make_core
        from .folders import folders_of

        core = make_core(settings, folders_of(settings), device_thread=False, resumable=True)
        calm_collector()
        return core

    return serve(build)


if __name__ == "__main__":
    sys.exit(main())
if __name__ == "__mp_main__":  # a process that a node has spawned
    from .children import prepare_child

    prepare_child(resolve(json.loads(sys.argv[1]), {}))
