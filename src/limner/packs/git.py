"""Packs in git repositories, by the `git` program.

Rules: no hooks run, nothing is asked of a person, and only the usual transports are taken (`ext::` runs programs).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import BadSource

MINUTES = 30
TRANSPORTS = "https:http:ssh:git:file"
SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false")
COMMIT = re.compile(r"[0-9a-f]{7,64}")


def clone(url: str, target: Path, ref: str = "") -> None:
    """Clone into a new folder, at a branch, tag or commit, or at what the repository shows by itself."""
    if url.startswith("-") or ref.startswith("-"):
        raise BadSource(f"{url if url.startswith('-') else ref!r} is no place to clone from", "Give a URL, and a ref")
    shallow = ["--depth", "1", "--recurse-submodules", "--shallow-submodules"]
    if not ref:
        _git(["clone", "--quiet", *shallow, "--", url, str(target)], f"{url} cannot be cloned")
        return
    if not COMMIT.fullmatch(ref):
        _git(["clone", "--quiet", *shallow, "--branch", ref, "--", url, str(target)], f"{url} has no {ref!r}")
        return
    _git(["clone", "--quiet", "--no-checkout", "--", url, str(target)], f"{url} cannot be cloned")
    _git(["checkout", "--quiet", ref], f"{url} has no commit {ref}", target)
    _git(["submodule", "--quiet", "update", "--init", "--recursive"], "its submodules cannot be fetched", target)


def update(folder: Path, ref: str = "") -> None:
    """Move a clone forward to what its branch is now, or to a ref. Raises `BadSource` where it was changed here."""
    changed = _git(["status", "--porcelain", "--untracked-files=no"], f"{folder} is no git repository", folder)
    if changed.strip():
        files = ", ".join(line[3:] for line in changed.splitlines()[:5])
        raise BadSource(
            f"it was changed here: {files}", "Undo that, or keep it by a commit of your own, and merge by hand"
        )
    branch = _git(["rev-parse", "--abbrev-ref", "HEAD"], "its branch is not known", folder).strip()
    wanted = ref or ("HEAD" if branch == "HEAD" else branch)
    _git(["fetch", "--quiet", "--force", "origin", "--", wanted], f"its origin has no {wanted!r}", folder)
    if ref or branch == "HEAD":
        _git(["checkout", "--quiet", "--detach", "FETCH_HEAD"], "it cannot be checked out", folder)
    else:
        _git(["merge", "--quiet", "--ff-only", "FETCH_HEAD"], "it went another way than its origin", folder)
    _git(["submodule", "--quiet", "update", "--init", "--recursive"], "its submodules cannot be fetched", folder)


def commit_of(folder: Path) -> str:
    """The commit that a clone is at; empty where it is none."""
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return ""
    try:
        return _git(["rev-parse", "HEAD"], "", folder).strip()
    except BadSource:
        return ""


def origin_of(folder: Path) -> str:
    """Where a clone came from, without a password that may stand in it."""
    try:
        url = _git(["config", "--get", "remote.origin.url"], "", folder).strip()
    except BadSource:
        return ""
    return without_secret(url)


def without_secret(url: str) -> str:
    """`https://me:token@host/x` -> `https://host/x`."""
    return re.sub(r"^(https?://)[^/@]*@", r"\1", url)


def _git(arguments: Sequence[str], problem: str, folder: Path | None = None) -> str:
    """What git prints. Raises `BadSource` with its last words."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": TRANSPORTS, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *SAFE, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=MINUTES * 60,
            check=False,
        )
    except FileNotFoundError as error:
        raise BadSource(
            "git is not installed", "Install it (apt install git), or install the pack from an archive"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BadSource(f"{problem}: nothing came of it in {MINUTES} minutes", "Try again") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        fatal = [line for line in said if line.startswith(("fatal:", "error:"))]
        words = without_secret((fatal or said or ["git failed"])[-1])
        raise BadSource(f"{without_secret(problem)}: {words}", "Check the address, and that you may read it")
    return done.stdout
