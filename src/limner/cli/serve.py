"""`limner serve`: the editor and the API."""

from __future__ import annotations

from pathlib import Path

from limner.settings import Settings

from .console import errors, output
from .errors import BadInput
from .flags import with_settings


@with_settings()
def command(*, settings: Settings) -> None:
    """Serve the editor and the API, on 127.0.0.1:8188 if nothing else is said."""
    from limner.app.listening import CannotServe
    from limner.app.server import serve
    from limner.database import DatabaseProblem
    from limner.files import FileProblem

    _check_editor(settings.front_end_root)

    def announce(url: str) -> None:
        output().print(f"Limner is at {url}", markup=False)
        if settings.log_format == "human":
            errors().print("Stop it with Ctrl-C.", style="dim")
        if settings.auto_launch:
            import webbrowser

            webbrowser.open(url)

    try:
        serve(settings, announce)
    except (CannotServe, DatabaseProblem, FileProblem) as error:
        raise BadInput(error.problem, error.remedy) from error


def _check_editor(root: Path | None) -> None:
    if root is not None and not (root / "index.html").is_file():
        raise BadInput(f"{root} holds no editor: there is no index.html", "Check --front-end-root")
