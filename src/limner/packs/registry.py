"""A registry of packs, by the HTTP interface of the Comfy registry.

`GET /nodes/ID` tells of a pack, `/nodes/ID/install?version=V` where an archive of a version is (the latest without V),
`/nodes/ID/versions` what versions there are, `/nodes/search?search=TEXT` what packs there are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from limner import __version__

from .archives import CHUNK, LARGEST
from .errors import BadSource, UnknownPack

SECONDS = 30.0
NOT_FOUND = 404
AGENT = f"limner/{__version__}"
WITHHELD = ("Banned", "Deleted")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a pack in the registry. `url` is where its archive is."""

    id: str
    version: str
    url: str
    dependencies: Sequence[str] = ()
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What the registry says of a pack."""

    id: str
    name: str = ""
    description: str = ""
    publisher: str = ""
    repository: str = ""
    latest: str = ""
    dependencies: Sequence[str] = field(default_factory=tuple)


class Registry:
    """The registry at an address. Every method raises `BadSource` where it cannot be reached."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def listing(self, pack: str) -> Listing:
        """Raises `UnknownPack`."""
        return _listing(self._read(f"/nodes/{quote(pack, safe='')}", pack))

    def version(self, pack: str, version: str = "") -> Version:
        """A version, or the latest. Raises `UnknownPack`."""
        query = f"?{urlencode({'version': version})}" if version else ""
        shown = f"{pack}@{version}" if version else pack
        found = _version(pack, self._read(f"/nodes/{quote(pack, safe='')}/install{query}", shown))
        if not found.url:
            raise BadSource(f"the registry has no archive of {shown}", "Install it from its git repository")
        return found

    def versions(self, pack: str) -> list[Version]:
        """All versions, the newest first. Raises `UnknownPack`."""
        told = self._read(f"/nodes/{quote(pack, safe='')}/versions", pack)
        return [_version(pack, entry) for entry in told if isinstance(entry, Mapping)] if isinstance(told, list) else []

    def search(self, text: str, limit: int = 20) -> list[Listing]:
        told = self._read(f"/nodes/search?{urlencode({'search': text, 'limit': limit})}", text)
        entries = told.get("nodes") if isinstance(told, Mapping) else None
        return [_listing(entry) for entry in entries or () if isinstance(entry, Mapping)]

    def _read(self, path: str, what: str) -> Any:
        try:
            with urlopen(_request(self.url + path), timeout=SECONDS) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                if error.code == NOT_FOUND:
                    raise UnknownPack(f"the registry has no pack {what!r}", f"Look for it at {self.url}") from error
                raise BadSource(f"the registry answers {error.code} to {path}", "Try again later") from error
        except (URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            remedy = "Check your connection, or --pack-registry"
            raise BadSource(f"the registry {self.url} cannot be reached: {reason}", remedy) from error


def download(url: str, target: Path, largest: int = LARGEST) -> None:
    """Write what is at a URL into a file. Raises `BadSource`."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise BadSource(f"{url!r} is no address on the web", "Give one that begins with https://")
    try:
        with urlopen(_request(url), timeout=SECONDS) as answer, target.open("wb") as file:
            written = 0
            while chunk := answer.read(CHUNK):
                written += len(chunk)
                if written > largest:
                    raise BadSource(f"{url} is larger than {largest} bytes", "It is no pack")
                file.write(chunk)
            told = answer.headers.get("Content-Length")
            if told is not None and int(told) != written:
                raise BadSource(f"{url} broke off after {written} of {told} bytes", "Try again")
    except HTTPError as error:
        with error:
            raise BadSource(f"{url} cannot be fetched: {error.code} {error.reason}", "Check the address") from error
    except (URLError, OSError, ValueError) as error:
        raise BadSource(f"{url} cannot be fetched: {getattr(error, 'reason', error)}", "Check the address") from error


def _request(url: str) -> Request:
    return Request(url, headers={"User-Agent": AGENT, "Accept": "*/*"})


def _version(pack: str, told: Any) -> Version:
    entry = told if isinstance(told, Mapping) else {}
    if any(str(entry.get("status", "")).endswith(word) for word in WITHHELD):
        raise BadSource(f"the registry withholds {pack} {entry.get('version', '')}", "Choose another version")
    return Version(
        id=str(entry.get("node_id") or pack),
        version=str(entry.get("version") or ""),
        url=str(entry.get("downloadUrl") or ""),
        dependencies=_texts(entry.get("dependencies")),
        deprecated=bool(entry.get("deprecated")),
    )


def _listing(told: Any) -> Listing:
    entry = told if isinstance(told, Mapping) else {}
    latest = entry.get("latest_version")
    latest = latest if isinstance(latest, Mapping) else {}
    publisher = entry.get("publisher")
    return Listing(
        id=str(entry.get("id") or ""),
        name=str(entry.get("name") or ""),
        description=str(entry.get("description") or ""),
        publisher=str(publisher.get("name") or "") if isinstance(publisher, Mapping) else "",
        repository=str(entry.get("repository") or ""),
        latest=str(latest.get("version") or ""),
        dependencies=_texts(latest.get("dependencies")),
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
