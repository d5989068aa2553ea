"""Writes the tables of docs/reference that can be read from the code: settings, HTTP routes, metrics.

Each stands between two marker comments in its page; the rest of the page is written by hand. A test compares them.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import MISSING
from pathlib import Path

from limner.server.openapi import plain_path
from limner.server.routes import all_routes
from limner.settings import declarations, flag, variable
from limner.telemetry.metrics import declared

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"


def settings_table() -> str:
    """Every setting: flag, variable, default, meaning."""
    rows = ["| Flag | Variable | Default | Meaning |", "| --- | --- | --- | --- |"]
    for name, member, how in declarations():
        default = member.default if member.default is not MISSING else None
        shown = f"`{default}`" if default not in (None, "", (), False) else ""
        if how.beneath:
            shown = f"`<base>/{how.beneath}`"
        elif how.beneath == "":
            shown = "`<base>`"
        elif name == "base_directory":
            shown = "folder with `limner.toml`, else `~/.limner`"
        choices = f" One of {', '.join(f'`{choice}`' for choice in how.choices)}." if how.choices else ""
        rows.append(f"| `{flag(name)}` | `{variable(name)}` | {shown} | {how.help}{choices} |")
    return "\n".join(rows)


def routes_table() -> str:
    """Every route: method, path, and what its handler says of it."""
    rows = ["| Request | What it does |", "| --- | --- |"]
    for route in all_routes():
        path = plain_path(route.path)
        said = (inspect.getdoc(route.handler) or "").strip().split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        rows.append(f"| `{route.method} {path}` | {said} |")
    return "\n".join(rows)


def metrics_table() -> str:
    """Every metric: name, kind, labels, meaning."""
    rows = ["| Metric | Kind | Labels | Meaning |", "| --- | --- | --- | --- |"]
    for family in declared():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        rows.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help} |")
    return "\n".join(rows)


PAGES = {"settings.md": settings_table, "http.md": routes_table, "metrics.md": metrics_table}


def written(page: str, text: str) -> str:
    """The page with its table between the markers."""
    begin, end = "<!-- table -->\n", "\n<!-- end -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}{PAGES[page]()}{end}{tail}"


def main() -> int:
    for page in PAGES:
        path = REFERENCE / page
        path.write_text(written(page, path.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
