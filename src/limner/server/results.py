"""The end of a run waited for, and what it has made given in the type that is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web

from limner.engine.events import RunFinished

from .answers import ApiError
from .describe import JSON
from .services import Reader, Services

PICTURES = ("image/png", "image/webp", "image/jpeg")
"""What a picture can be given as, whatever it was kept as."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A media type of an Accept header, such as `image/*`."""

    kind: str
    weight: float

    def takes(self, media: str) -> bool:
        main, _, rest = self.kind.partition("/")
        return self.kind in ("*/*", media) or (rest == "*" and media.startswith(f"{main}/"))


def accepted(request: web.Request) -> Sequence[Wanted]:
    """What the client takes, the best first."""
    found = []
    for part in ",".join(request.headers.getall(hdrs.ACCEPT, ["*/*"])).split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [parameter.removeprefix("q=") for parameter in parameters if parameter.startswith("q=")]
        try:
            weight = float(weights[0]) if weights else 1.0
        except ValueError:
            weight = 0.0
        if kind and weight > 0:
            found.append(Wanted(kind.lower(), weight))
    return sorted(found, key=lambda wanted: -wanted.weight)


def wants_job(kinds: Sequence[Wanted]) -> bool:
    """Whether a job is a better answer than what it makes: JSON is asked for, or anything at all."""
    return not kinds or kinds[0].takes(JSON)


async def ended(served: Services, reader: Reader, run: str, seconds: float | None) -> bool:
    """Wait for the end of a run that was queued after the reader began; whether it came in time."""
    try:
        async with asyncio.timeout(seconds):
            async for batch in reader:
                if any(message.run == run and isinstance(message.body, RunFinished) for message in batch):
                    return True
                if served.queue.place(run) is None and served.history.get(run) is None:
                    raise ApiError(409, "run_cancelled", f"The job {run} was taken out of the queue", "Ask once more")
    except TimeoutError:
        pass
    return False


def pick(outputs: Mapping[str, Sequence[Mapping[str, Any]]], kinds: Sequence[Wanted]) -> tuple[Mapping[str, Any], str]:
    """The first thing made that the client takes, and the type to give it as. Raises `ApiError` 406."""
    items = [item for made in outputs.values() for item in made]
    for wanted in kinds:
        for item in items:
            media = item.get("media_type", "text/plain")
            if wanted.takes(media):
                return item, media
    for wanted in kinds:
        if wanted.kind in PICTURES:
            for item in items:
                if str(item.get("media_type", "")).startswith("image/"):
                    return item, wanted.kind
    made = ", ".join(sorted({str(item.get("media_type", "text/plain")) for item in items})) or "nothing"
    asked = ", ".join(wanted.kind for wanted in kinds)
    raise ApiError(406, "not_acceptable", f"The run made {made}, and {asked} is asked for", "Accept one of those")


def converted(path: Path, media: str) -> bytes:
    """A picture as another type. Raises `BadFile`."""
    from .pictures import as_type

    return as_type(path, media)
