"""deploy/nginx in Debian's nginx, before a live server: TLS, sockets, streams, uploads, logins."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from limner.accounts import Accounts, Scope
from tests.scenarios.workflows import inverted
from tests.support.live_server import LiveServer, live_server
from tests.support.nginx import HOST, Proxy, program, proxy

NGINX = program()
pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed (on Debian: apt-get install nginx)"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed, which makes the certificate"),
]
PASSWORD = "correct horse battery"
WAITING = '''
import time
from pathlib import Path

class WaitForFile:
    """Runs until a file is there."""
    INPUT_TYPES = classmethod(lambda cls: {"required": {"path": ("STRING", {"default": ""})}})
    RETURN_TYPES, FUNCTION, OUTPUT_NODE = (), "wait", True

    def wait(self, path):
        end = time.monotonic() + 120
        while not Path(path).exists() and time.monotonic() < end:
            time.sleep(0.02)
        return {"ui": {"text": ["there" if Path(path).exists() else "never"]}}

class Preview:
    """Shows a picture while it runs."""
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES, FUNCTION, OUTPUT_NODE = (), "show", True

    def show(self):
        from comfy.utils import ProgressBar
        from PIL import Image
        ProgressBar(2).update_absolute(1, 2, ("PNG", Image.new("RGB", (8, 8)), 8))
        return {"ui": {"text": ["shown"]}}

NODE_CLASS_MAPPINGS = {"WaitForFile": WaitForFile, "Preview": Preview}
'''


@dataclass(frozen=True)
class Site:
    server: LiveServer
    proxy: Proxy
    token: str


class Here(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = {"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        return [ResolveResult(**found)]  # type: ignore[typeddict-item]

    async def close(self) -> None: ...


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    base, folder = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("nginx")
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / "waiting.py").write_text(WAITING)
    accounts = Accounts(base / "user" / "limner" / "accounts.sqlite")
    accounts.add("ann", PASSWORD, admin=True)
    _, token = accounts.new_token("ann", Scope.RUN)
    accounts.close()
    flags = ["--trusted-proxies", "127.0.0.1", "--trusted-hosts", HOST, "--proxy-user-header", "X-Remote-User"]
    with live_server(base, *flags) as server, proxy(str(NGINX), server.url, folder) as running:
        yield Site(server, running, token)


async def status(answering: Any) -> int:
    """The status of an answer, which is read to its end."""
    async with answering as answered:
        await answered.read()
        return int(answered.status)


@asynccontextmanager
async def client(site: Site, *, token: bool = True, **more: Any) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {site.token}"} if token else {}
    connector = aiohttp.TCPConnector(ssl=site.proxy.trust, resolver=Here())
    async with aiohttp.ClientSession(site.proxy.url, connector=connector, headers=headers, **more) as session:
        yield session
    await asyncio.sleep(0.25)  # as aiohttp advises: TLS connections take a moment to end


async def test_a_run_and_its_socket(site: Site) -> None:
    """A job is queued, watched over a socket that asks for an upgrade, and its picture fetched, all through TLS."""
    async with client(site) as session, session.ws_connect("/ws?clientId=me") as watching:
        body = {"prompt": inverted("through"), "client_id": "me"}
        async with session.post("/prompt", json=body) as answered:
            assert answered.status == 200, await answered.text()
            run = (await answered.json())["prompt_id"]
        told: dict[str, Any] = {}
        async with asyncio.timeout(60):
            async for message in watching:
                if message.type is aiohttp.WSMsgType.TEXT:
                    frame = json.loads(message.data)
                    told[frame["type"]] = frame["data"]
                    if frame["type"] == "execution_success":
                        break
        assert told["execution_success"]["prompt_id"] == run
        shown = told["executed"]["output"]["images"][0]
        async with session.get("/view", params=shown) as picture:
            assert picture.status == 200 and (await picture.read()).startswith(b"\x89PNG")


async def test_events_come_while_the_job_runs(site: Site, tmp_path: Path) -> None:
    """The job ends only after its first events were read: nothing on the way waits for more of them."""
    signal = tmp_path / "go on"
    async with client(site) as session:
        prompt = {"1": {"class_type": "WaitForFile", "inputs": {"path": str(signal)}}}
        async with session.post("/prompt", json={"prompt": prompt}) as answered:
            run = (await answered.json())["prompt_id"]
        kinds: list[str] = []
        async with asyncio.timeout(60), session.get(f"/jobs/{run}/events") as stream:
            assert stream.content_type == "text/event-stream"
            async for line in stream.content:
                if line.startswith(b"data:"):
                    kinds.append(json.loads(line[5:])["type"])
                    if kinds[-1] == "executing":
                        signal.touch()
                if kinds and kinds[-1] == "execution_success":
                    break
        assert "executing" in kinds


async def test_previews_come_over_the_socket(site: Site) -> None:
    async with client(site) as session, session.ws_connect("/ws?clientId=previews") as watching:
        body = {"prompt": {"1": {"class_type": "Preview", "inputs": {}}}, "client_id": "previews"}
        async with session.post("/prompt", json=body) as answered:
            assert answered.status == 200, await answered.text()
        async with asyncio.timeout(60):
            async for message in watching:
                if message.type is aiohttp.WSMsgType.BINARY:
                    assert b"PNG" in message.data[:64]
                    return
        raise AssertionError("the socket was closed")


def picture(size: int) -> bytes:
    """A PNG of one black pixel, and a chunk of this many bytes that nobody needs."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"junK", bytes(size))
        + chunk(b"IDAT", zlib.compress(b"\0\0"))
        + chunk(b"IEND", b"")
    )


async def test_large_uploads_reach_the_server(site: Site) -> None:
    async with client(site) as session:
        form = aiohttp.FormData()
        form.add_field("image", BytesIO(picture(40 * 2**20)), filename="large.png", content_type="image/png")
        async with session.post("/upload/image", data=form) as answered:
            assert answered.status == 200, await answered.text()
    assert (site.server.base / "input" / "users" / "ann" / "large.png").stat().st_size > 40 * 2**20


async def test_an_upload_that_is_too_large_is_refused_by_the_server_while_it_comes(site: Site) -> None:
    head = [
        "POST /upload/image HTTP/1.1",
        f"Host: {HOST}:{site.proxy.port}",
        f"Authorization: Bearer {site.token}",
        "Content-Type: multipart/form-data; boundary=b",
        f"Content-Length: {200 * 2**20}",
        "",
        '--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n',
    ]
    place = {"host": "127.0.0.1", "port": site.proxy.port}
    reader, writer = await asyncio.open_connection(**place, ssl=site.proxy.trust, server_hostname=HOST)
    try:
        writer.write("\r\n".join(head).encode())
        answer = asyncio.create_task(reader.readline())
        async with asyncio.timeout(60):
            for _ in range(150):
                if not answer.done():
                    writer.write(bytes(2**20))
                    await writer.drain()
            assert b" 413 " in await answer, "the answer is there before all of it has been sent"
            assert b'"remedy"' in await reader.read(100_000), "the server itself says what it takes"
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        await asyncio.sleep(0.25)


async def test_a_login_is_for_tls_alone(site: Site) -> None:
    async with client(site, token=False) as session:
        assert await status(session.get("/queue")) == 401
        body = {"username": "ann", "password": PASSWORD}
        async with session.post("/login", json=body, headers={"Origin": site.proxy.url}) as answered:
            assert answered.status == 200, await answered.text()
            cookie = answered.headers["Set-Cookie"]
            assert "Secure" in cookie and "HttpOnly" in cookie
            assert "max-age" in answered.headers["Strict-Transport-Security"]
        assert await status(session.get("/queue")) == 200


async def test_nobody_logs_in_by_a_header(site: Site) -> None:
    async with client(site, token=False) as session:
        assert await status(session.get("/queue", headers={"X-Remote-User": "ann"})) == 401
    async with aiohttp.ClientSession() as direct:  # what the header would do, were it passed on
        assert await status(direct.get(f"{site.server.url}/queue", headers={"X-Remote-User": "ann"})) == 200


async def test_other_sites_may_not_write(site: Site) -> None:
    async with client(site) as session:
        assert await status(session.post("/queue/clear", headers={"Origin": "https://evil.example"})) == 403


async def test_without_tls_there_is_only_the_way_to_it(site: Site) -> None:
    (site.proxy.folder / "www" / ".well-known" / "acme-challenge" / "token").write_text("key")
    connector = aiohttp.TCPConnector(resolver=Here())
    async with aiohttp.ClientSession(f"http://{HOST}:{site.proxy.plain}", connector=connector) as session:
        async with session.get("/queue?page=2", allow_redirects=False) as answered:
            assert (answered.status, answered.headers["Location"]) == (301, f"https://{HOST}/queue?page=2")
        async with session.get("/.well-known/acme-challenge/token") as answered:
            assert await answered.text() == "key"


async def test_the_log_holds_no_token(site: Site) -> None:
    async with client(site, token=False) as session, session.ws_connect(f"/ws?token={site.token}") as watching:
        await watching.receive()
    assert "GET /ws HTTP" in site.proxy.log() and site.token not in site.proxy.log()
