"""A host process: `python -m limner.app.host SETTINGS [ROLE]`, both as JSON. Started by the server."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable

from limner.plugins.host import HostCore
from limner.plugins.serve import serve
from limner.settings import resolve
from limner.telemetry import logs
from limner.telemetry.marks import mark_output

from .collector import calm_collector
from .role import Role
from .threads import wait_asleep


def main() -> int:
    wait_asleep()
    settings = resolve(json.loads(sys.argv[1]), {})
    role = Role.of(sys.argv[2]) if len(sys.argv) > 2 else Role()
    mark_output()
    logs.configure(settings.verbose, form=logs.HOST)
    if role.pack is not None:
        from .confinement import confine

        confine(role, settings)

    def build(loading: Callable[[str], None]) -> HostCore:
        from .core import make_core
        from .folders import folders_of

        folders = folders_of(settings, fetches=True)
        with contextlib.suppress(OSError):
            os.chdir(folders.base)  # packs take relative paths from where ComfyUI is started, which is its own folder
        core = make_core(
            settings,
            folders,
            role=role,
            loading=loading,
            device_thread=False,
            resumable=role.pack is None,
        )
        calm_collector()
        return core

    return serve(build)


if __name__ == "__main__":
    sys.exit(main())
if __name__ == "__mp_main__":  # a process that a node has spawned
    from .children import prepare_child

    prepare_child(resolve(json.loads(sys.argv[1]), {}))
