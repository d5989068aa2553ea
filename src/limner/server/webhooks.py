"""Webhooks: a job's events, posted to an address that the job names.

    {"prompt": {...}, "webhook": "https://example.org/done"}
    {"prompt": {...}, "webhook": {"url": "https://example.org/all", "events": ["executing", "executed"]}}
    {"prompt": {...}, "webhook": {"url": "https://example.org/all", "secret": "whsec_..."}}

Rules:

- A webhook is a reader of the bus like a socket: it has a place of its own there, and nothing waits for it.
- Each request is `{"job_id", "events": [frames]}`: the frames that the WebSocket gets, in order, each with its
  sequence. What happens while one request is under way goes into the next. Without `events`, those of `ENDS` are sent.
- Each request is signed (`signing`): with the webhook's own secret, else with the server's key.
- A request that is not answered with a status below 400 is made again after a pause that doubles up to
  `LONGEST_PAUSE`, `ATTEMPTS` times in all; then the job's webhook is given up with a warning. It may come twice: its id
  and the sequences tell.
- Only hosts of the setting `webhook_hosts` are sent to, and this machine, unless a user who is no admin asks for it:
  what listens here alone is not for others, by no name and no address (`outward`). Redirections are not followed.
- Jobs that a queue on disk has kept over a restart keep their webhooks; it is what is left to happen that is told.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from limner.comfy.frames import Frame
from limner.comfy.object_info import encode
from limner.engine.events import RunFinished
from limner.queue import Job
from limner.runs import Message

from .answers import bad_request
from .outward import Outward, is_own
from .services import Reader, Services
from .signing import LEAST_SECRET, server_key, signed
from .translation import Translator

log = logging.getLogger(__name__)

KEY = "webhook"
"""Where a job's `extra` has its webhook."""
SECRET_KEY = "webhook_secret"
"""Where it has the webhook's secret, which nobody is told: it is among `limner.runs.entry.SECRETS`."""
ENDS = ("execution_start", "executed", "execution_success", "execution_error", "execution_interrupted")
ATTEMPTS = 12
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds. A receiver may be away for five minutes."""
ANSWER_SECONDS = 10.0
AT_ONCE = 256
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Webhook:
    """`events` are types of frames; `secret` signs the requests in place of the server's key."""

    url: str
    events: Sequence[str] = ENDS
    secret: str = ""
    outward: bool = False
    """Whether it goes to other machines only."""

    def kept(self) -> dict[str, Any]:
        """As a job's `extra` has it."""
        told: dict[str, Any] = {KEY: {"url": self.url, "events": list(self.events)}}
        return told | ({SECRET_KEY: self.secret} if self.secret else {})


def read_webhook(given: object, hosts: Sequence[str], *, loopback: bool = True) -> Webhook | None:
    """The webhook of a request's body, or None. Raises ApiError for one that cannot be used.

    It may be sent to these hosts (`*` for all), and with `loopback` to this machine.
    """
    if given is None:
        return None
    said: Mapping[str, Any] = given if isinstance(given, Mapping) else {"url": given}
    url, events = said.get("url"), said.get("events") or list(ENDS)
    if not isinstance(url, str) or not _host(url):
        bad_request("webhook is not an address", 'Give {"url": "https://..."}, or the address alone')
    if not isinstance(events, list) or not all(isinstance(kind, str) for kind in events):
        bad_request("The webhook's events are not a list of types", f"Give a list of types such as {', '.join(ENDS)}")
    secret = said.get("secret") or ""
    if not isinstance(secret, str) or 0 < len(secret.encode()) < LEAST_SECRET:
        bad_request("The webhook's secret is too short", f"Give a text of at least {LEAST_SECRET} bytes, or none")
    here = _host(url) in LOOPBACK or is_own(_host(url))
    if not (_host(url) in (*(LOOPBACK if loopback else ()), *hosts) or ("*" in hosts and (loopback or not here))):
        remedy = f"Start the server with --webhook-hosts {_host(url)}, or * for every host"
        bad_request(f"Webhooks may not be sent to {_host(url)}", remedy)
    return Webhook(url, tuple(events), secret)


def _host(url: str) -> str:
    """The host that a request to this address goes to; empty for what is no plain address."""
    try:
        parts, sent = urlsplit(url), URL(url)
    except ValueError:
        return ""
    plain = parts.scheme in ("http", "https") and sent.user is None and url.isprintable() and "\\" not in url
    return (sent.host or "") if plain and sent.host == parts.hostname else ""


class Webhooks:
    """The webhooks of the jobs that wait or run."""

    def __init__(self, services: Services, translator: Translator) -> None:
        self._services = services
        self._translator = translator
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        """Of webhooks that go to other machines only, and of others."""
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._own_key = ""

    def resume(self) -> None:
        """Take up the webhooks of the jobs that are in the queue already."""
        for job in self._services.queue.marked():
            self.follow(job, self._services.bus.last)

    def follow(self, job: Job, since: int) -> None:
        """Tell the job's webhook, if it has one, of what has happened since this message, and from now on."""
        said = job.extra.get(KEY)
        if not isinstance(said, Mapping) or job.id in self._readers:
            return
        url, secret = str(said.get("url")), str(job.extra.get(SECRET_KEY) or "")
        outward = bool(job.home) and _host(url) not in self._services.settings.webhook_hosts
        hook = Webhook(url, tuple(said.get("events", ENDS)), secret, outward)
        subscription = self._services.bus.subscribe(since=since, run=job.id)
        reader = asyncio.create_task(self._read(job.id, hook, subscription), name=f"webhook of {job.id}")
        self._readers[job.id] = reader
        reader.add_done_callback(lambda done: self._readers.pop(job.id, None))

    async def close(self) -> None:
        readers = list(self._readers.values())
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        for session in self._sessions.values():
            await session.close()

    async def _read(self, run: str, hook: Webhook, subscription: Reader) -> None:
        try:
            async for batch in subscription:
                mine = [message for message in batch if message.run == run]
                if mine and not await self._tell(run, hook, mine):
                    return
                if any(isinstance(message.body, RunFinished) for message in mine):
                    return
        finally:
            subscription.close()

    async def _tell(self, run: str, hook: Webhook, messages: Sequence[Message]) -> bool:
        """Whether the webhook still wants to hear."""
        frames = [frame for _, frame in self._translator.batch(messages)]
        wanted = [told for frame in frames if (told := _read_frame(frame)) and told["type"] in hook.events]
        for first in range(0, len(wanted), AT_ONCE):
            events = wanted[first : first + AT_ONCE]
            body = encode({"job_id": run, "events": events})
            if not await self._post(hook, f"{run}.{events[0]['sequence']}", body):
                log.warning("the webhook of job %s, %s, is given up after %d attempts", run, hook.url, ATTEMPTS)
                return False
        return True

    async def _post(self, hook: Webhook, message: str, body: bytes) -> bool:
        session = self._session(hook.outward)
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))
            headers = signed(hook.secret or await self._key(), message, body)
            try:
                async with session.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer:
                    if answer.status < 400:
                        return True
                    problem = f"status {answer.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = str(error) or type(error).__name__
            log.debug("webhook %s: %s", hook.url, problem)
        return False

    def _session(self, outward: bool) -> aiohttp.ClientSession:
        if outward not in self._sessions:
            connector = aiohttp.TCPConnector(resolver=Outward()) if outward else None
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
            self._sessions[outward] = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._sessions[outward]

    async def _key(self) -> str:
        """The server's, read once."""
        if not self._own_key:
            self._own_key = await asyncio.to_thread(server_key, self._services.folders.user)
        return self._own_key


WEBHOOKS = web.AppKey("webhooks", Webhooks)


def _read_frame(frame: Frame) -> dict[str, Any] | None:
    text = frame.text
    if text is None:
        return None
    told: dict[str, Any] = json.loads(text)
    return told
