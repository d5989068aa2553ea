"""Where a pack can come from: a folder, a file, an archive, a git repository, the registry.

`source_of` reads what a user types, `Source.table` is what is recorded, `fetch` brings it to a folder of its own. What
was fetched is a pack: a folder with an `__init__.py`, or a `.py` file; links in it stay inside of it.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from . import archives, git
from .errors import BadSource
from .places import checked_name
from .registry import Registry, download

FORGES = ("github.com", "gitlab.com", "codeberg.org", "bitbucket.org", "huggingface.co", "gitee.com")
GIT_SCHEMES = ("git+", "git://", "ssh://", "git@", "file://")
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".venv", "node_modules", ".mypy_cache", ".pytest_cache")
KINDS = ("folder", "file", "archive", "git", "registry")


@dataclass(frozen=True, slots=True)
class Source:
    """`place` is a path, a URL or the registry's id; `ref` a branch, tag, commit or version."""

    kind: str
    place: str
    ref: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {git.without_secret(self.place)}{f'@{self.ref}' if self.ref else ''}"

    def table(self) -> dict[str, Any]:
        """As it is recorded."""
        return {"source": self.kind, "from": git.without_secret(self.place), **({"ref": self.ref} if self.ref else {})}

    @classmethod
    def recorded(cls, table: Mapping[str, Any]) -> Source | None:
        """The source in a record; None where there is none."""
        kind = table.get("source")
        return cls(str(kind), str(table.get("from", "")), str(table.get("ref", ""))) if kind in KINDS else None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A pack, made ready. `path` is its folder or its `.py` file, `name` what that will be called.

    `version` and `commit` are empty where unknown.
    """

    source: Source
    path: Path
    name: str
    version: str = ""
    commit: str = ""

    @property
    def plain_name(self) -> str:
        """What the pack is called."""
        return self.name.removesuffix(".py") if self.path.is_file() else self.name


def source_of(text: str, ref: str = "") -> Source:
    """What a user means: a path, a URL, or the registry's id with `@version`. Raises `BadSource`."""
    path = Path(text).expanduser()
    if text and path.is_dir():
        bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
        return Source("git" if bare else "folder", str(path.resolve()), ref)
    if path.is_file():
        if archives.is_archive(text):
            return Source("archive", str(path.resolve()))
        if path.suffix == ".py":
            return Source("file", str(path.resolve()))
        raise BadSource(f"{text} is no pack", f"Give a folder, a .py file, or one of {', '.join(archives.SUFFIXES)}")
    if text.startswith(GIT_SCHEMES):
        return _git_source(text.removeprefix("git+"), ref)
    if text.startswith(("http://", "https://")):
        place = urlsplit(text)
        if archives.is_archive(place.path):
            return Source("archive", text)
        depth = len([part for part in place.path.split("/") if part])
        if ".git" in place.path or ref or (place.hostname in FORGES and depth == 2):
            return _git_source(text, ref)
        raise BadSource(f"{text} is neither a git repository nor an archive, by its name", "Write git+ in front of it")
    named = re.fullmatch(r"([A-Za-z0-9][\w.-]*)(?:@([\w.+-]+))?", text)
    if named is None or "/" in text:
        raise BadSource(f"there is no {text!r}", "Give a folder, an archive, a git URL, or a name in the registry")
    return Source("registry", named[1], ref or named[2] or "")


def _git_source(url: str, ref: str) -> Source:
    """`URL@ref`, as pip writes it, and `URL#ref`."""
    found = re.fullmatch(r"(.+/[^/@#]+)(?:@([^/@#]+)|#([^@#]+))", url)
    if found is not None and not ref:
        return Source("git", found[1], found[2] or found[3])
    return Source("git", url, ref)


def fetch(source: Source, folder: Path, registry: Registry, name: str = "") -> Fetched:
    """Bring a pack into `folder`, which is there and empty. Raises `BadSource`, `UnknownPack`."""
    fetched = _FETCHERS[source.kind](source, folder, registry)
    named = replace(fetched, name=_name(name, fetched.path) if name else fetched.name)
    checked_name(named.name)
    check(named.path)
    return replace(named, version=named.version or version_of(named.path))


def version_of(pack: Path) -> str:
    """What a pack's `pyproject.toml` says."""
    version = project_of(pack).get("version", "")
    return version if isinstance(version, str) else ""


def project_of(pack: Path) -> Mapping[str, Any]:
    """`[project]` of a pack's `pyproject.toml`; empty where there is none."""
    try:
        project = tomllib.loads((pack / "pyproject.toml").read_text("utf-8")).get("project")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
    return project if isinstance(project, Mapping) else {}


def _from_folder(source: Source, folder: Path, registry: Registry) -> Fetched:
    place = Path(source.place)
    target = folder / place.name
    try:
        shutil.copytree(place, target, symlinks=True, ignore=NOT_COPIED)
    except (shutil.Error, OSError) as error:
        raise BadSource(f"{place} cannot be copied: {error}", "Check that all of it may be read") from error
    return Fetched(source, target, place.name, commit=git.commit_of(target))


def _from_file(source: Source, folder: Path, registry: Registry) -> Fetched:
    place = Path(source.place)
    try:
        target = Path(shutil.copy2(place, folder / place.name))
    except OSError as error:
        raise BadSource(f"{place} cannot be copied: {error.strerror}", "Check that it may be read") from error
    return Fetched(source, target, place.name)


def _from_archive(source: Source, folder: Path, registry: Registry) -> Fetched:
    remote = source.place.startswith(("http://", "https://"))
    file = folder / "archive" if remote else Path(source.place)
    shown = unquote(urlsplit(source.place).path.rpartition("/")[2]) if remote else file.name
    if remote:
        download(source.place, file)
    return _unpacked(source, file, folder, _stem(shown))


def _from_registry(source: Source, folder: Path, registry: Registry) -> Fetched:
    version = registry.version(source.place, source.ref)
    file = folder / "archive"
    download(version.url, file)
    fetched = _unpacked(source, file, folder, version.id)
    return replace(fetched, name=version.id, version=version.version)


def _unpacked(source: Source, file: Path, folder: Path, stem: str) -> Fetched:
    target = folder / "unpacked"
    inside = archives.unpack(file, target)
    name = re.sub(r"-(main|master)$", "", inside.name) if inside != target else stem
    return Fetched(source, inside, name)


def _from_git(source: Source, folder: Path, registry: Registry) -> Fetched:
    name = re.split(r"[/:]", source.place.rstrip("/"))[-1].removesuffix(".git")
    target = folder / "clone"
    git.clone(source.place, target, source.ref)
    return Fetched(source, target, name, commit=git.commit_of(target))


_FETCHERS = {
    "folder": _from_folder,
    "file": _from_file,
    "archive": _from_archive,
    "git": _from_git,
    "registry": _from_registry,
}


def _name(name: str, path: Path) -> str:
    return f"{name.removesuffix('.py')}.py" if path.is_file() else name


def _stem(name: str) -> str:
    for suffix in sorted(archives.SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def check(pack: Path) -> None:
    """Raises `BadSource` for what is no pack, and for links that lead out of it."""
    if pack.is_dir() and not (pack / "__init__.py").is_file():
        raise BadSource("it is no pack: it has no __init__.py", "Check that the pack is not a folder further down")
    if pack.is_file():
        return
    root = pack.resolve()
    for folder, folders, files in os.walk(pack):
        for entry in (*folders, *files):
            path = Path(folder) / entry
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise BadSource(f"{path.relative_to(pack)} is a link that leads out of the pack", "Do not trust it")
