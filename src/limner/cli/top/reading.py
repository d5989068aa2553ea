"""What a server tells of itself at one moment: its metrics, its readiness and its jobs, over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from prometheus_client.parser import text_string_to_metric_families

from ..errors import BadInput, CommandFailed

SECONDS = 5.0
"""The time that a server is given for an answer."""
JOBS = 8
"""Jobs that are shown of those that run, and of those that wait."""
Labels = Mapping[str, str]


class NoAnswer(CommandFailed):
    """Nothing answers now; it may later."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`jobs` are those that run or wait, as `/jobs` lists them; `taken` is when they were read, in seconds."""

    status: str
    problems: Sequence[str]
    jobs: Sequence[Mapping[str, Any]]
    taken: float
    samples: Mapping[str, Sequence[tuple[Labels, float]]] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float:
        """The sum of a metric's values with these labels."""
        return sum(value for found, value in self.samples.get(name, ()) if labels.items() <= found.items())

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Its values by one label."""
        found: dict[str, float] = {}
        for each, value in self.samples.get(name, ()):
            if labels.items() <= each.items():
                found[each.get(label, "")] = found.get(each.get(label, ""), 0.0) + value
        return found

    def has(self, name: str) -> bool:
        return bool(self.samples.get(name))


class Server:
    """A server that is asked. `token` is sent where it is not empty."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._opener = build_opener(ProxyHandler({}))

    def read(self) -> Reading:
        """Raises NoAnswer, and BadInput where the server wants a token, or is none of Limner's."""
        samples = parsed(self._asked("/metrics")[1])
        if "limner_build_info" not in samples:
            raise BadInput(f"{self.url} is no Limner server", "Name its address, such as http://127.0.0.1:8188")
        ready = self._json("/readyz")
        jobs = [
            job
            for status in ("in_progress", "pending")
            for job in self._json(f"/jobs?status={status}&limit={JOBS}&sort_by=created_at&sort_order=asc").get(
                "jobs", ()
            )
        ]
        return Reading(str(ready.get("status", "")), ready.get("problems", ()), jobs, time.time(), samples)

    def _json(self, path: str) -> Mapping[str, Any]:
        try:
            found = json.loads(self._asked(path)[1])
        except ValueError:
            found = {}
        return found if isinstance(found, dict) else {}

    def _asked(self, path: str) -> tuple[int, str]:
        try:
            request = Request(self.url + path, headers=self._headers)
        except ValueError as error:
            raise BadInput(f"{self.url} is no address", "Give one such as http://127.0.0.1:8188") from error
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except HTTPError as refusal:
            with refusal:
                if refusal.code in (401, 403):
                    remedy = "Make a token with `limner users token add NAME --scope read`, and give it with --token"
                    raise BadInput(f"{self.url} asks for a login", remedy) from None
                return refusal.code, refusal.read().decode("utf-8", "replace")
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            remedy = "Start one with `limner serve`, or name another address: limner top http://machine:8188"
            raise NoAnswer(f"no server answers at {self.url} ({reason})", remedy) from error


def parsed(text: str) -> Mapping[str, Sequence[tuple[Labels, float]]]:
    """The samples of an answer of `/metrics` by their names; empty for one that is none."""
    found: dict[str, list[tuple[Labels, float]]] = {}
    try:
        for name, labels, value in _samples(text):
            found.setdefault(name, []).append((labels, value))
    except ValueError:
        return {}
    return found


def _samples(text: str) -> Iterator[tuple[str, Labels, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value
