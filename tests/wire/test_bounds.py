"""What is too large, too deep or would become so: refused before it costs anything."""

from __future__ import annotations

import asyncio
import gzip
import struct
import threading
import time
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import FormData

from limner.server import answers, pictures
from limner.server.answers import DEEPEST
from limner.server.drawing import AT_ONCE
from tests.support.in_process import Serving, serving


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def form(data: bytes, name: str = "x.png") -> FormData:
    fields = FormData()
    fields.add_field("image", data, filename=name)
    return fields


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


@pytest.mark.parametrize("path", ["/prompt", "/queue", "/settings", "/history", "/jobs/cancel"])
async def test_json_is_read_to_a_depth(served: Serving, path: str) -> None:
    for body in (nested(DEEPEST + 1), b"[" * 900_000, b'{"a":[' * 100_000, b'"' + b"\\" * 300_001 + b"[" * 300):
        answer = await served.client.post(path, data=body)
        assert answer.status == 400
        assert (await answer.json())["error"]["type"] == "invalid_json"


async def test_brackets_in_texts_and_beside_each_other_are_no_depth(served: Serving) -> None:
    text = '{"a":"' + "[{" * 1000 + '\\"[", "b": [' + "[]," * 1000 + "[]]}"
    assert (await served.client.post("/settings", data=text.encode())).status == 200
    assert (await served.client.post("/settings", data=nested(DEEPEST))).status == 200


async def test_json_of_too_many_values_is_not_read(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_VALUES", 1000)
    for body in (b"[" + b"[]," * 999 + b"[]]", b"[" + b"1," * 1000 + b"1]", b"[" + b"{}," * 999 + b"{}]"):
        assert (await served.client.post("/settings", data=body)).status == 413
    assert (await served.client.post("/settings", data=b'{"a": [' + b"1," * 900 + b"1]}")).status == 200


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (20_000, 10_000)])
async def test_a_picture_that_would_burst_is_not_kept(served: Serving, size: tuple[int, int]) -> None:
    answer = await served.client.post("/upload/image", data=form(bomb(*size)))
    assert answer.status == 400
    assert "megapixels" in (await answer.json())["error"]["message"]
    assert not (served.folders.input / "x.png").exists()


async def test_a_picture_that_would_burst_is_not_shown(served: Serving) -> None:
    (served.folders.output / "x.png").write_bytes(bomb(60_000, 60_000))
    for query in ("preview=webp;90", "channel=rgb", "channel=a"):
        assert (await served.client.get(f"/view?filename=x.png&{query}")).status == 400


async def test_pictures_are_drawn_a_few_at_a_time(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    (served.folders.output / "x.png").write_bytes(bomb(1, 1))
    now, most, lock = 0, 0, threading.Lock()

    def drawing(*_: object) -> tuple[bytes, str]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return b"", "image/webp"

    monkeypatch.setattr(pictures, "rendered", drawing)
    asked = [served.client.get("/view?filename=x.png&preview=webp;90") for _ in range(12)]
    assert {answer.status for answer in await asyncio.gather(*asked)} == {200}
    assert most == AT_ONCE


async def test_files_that_are_no_pictures_are_kept(served: Serving) -> None:
    answer = await served.client.post("/upload/image", data=form(b"a sound, say", "x.wav"))
    assert answer.status == 200


async def test_a_body_is_bounded_however_it_is_packed(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"a": "' + b" " * 20_000_000 + b'"}')
    async with serving(tmp_path, max_upload_bytes=10_000) as small:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        for path in ("/prompt", "/userdata/x", "/settings"):
            assert (await small.client.post(path, data=packed, headers=headers)).status in (400, 413)
            assert (await small.client.post(path, data=b"[" * 20_000)).status == 413
        assert (await small.client.post("/upload/image", data=form(b"x" * 20_000, "x.bin"))).status == 413
        assert (await small.client.get("/queue")).status == 200


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/../../x", "/etc/passwd", "C:/x", "~/x", "..\\x", "\\\\host\\x"),
        *("a\x00b", "a\x7fb", "nul", "CON.png", "a/com1.txt", "x" * 300, "a/" * 1500 + "b"),
    ],
)
async def test_names_are_refused_wherever_they_are_given(served: Serving, name: str) -> None:
    client, secret = served.client, served.folders.base / "x"
    asked = [
        await client.get("/view", params={"filename": name}),
        await client.get("/view", params={"filename": "x", "subfolder": name}),
        await client.get("/userdata", params={"dir": name}),
        await client.get("/v2/userdata", params={"path": "a/" + name}),
        await client.get("/view_metadata/checkpoints", params={"filename": name}),
        await client.post("/models/load", json={"name": name}),
    ]
    assert all(answer.status in (400, 404) for answer in asked), [answer.status for answer in asked]
    fields = form(b"x", "x.bin")
    fields.add_field("subfolder", name)
    assert (await client.post("/upload/image", data=fields)).status == 400
    assert not secret.exists()


@pytest.mark.parametrize(
    "name", [".", "./", "./.", "/", "..", "../x.bin", "./../x.bin", "a/../../x.bin", "sub", "x.bin"]
)
async def test_nothing_is_written_beside_the_folders(served: Serving, name: str) -> None:
    """Whatever is asked for, files come into the input folder and the profile, and nowhere else."""
    client, base, quoted = served.client, served.folders.base, quote(name, safe="")
    (served.folders.input / "sub").mkdir()
    before = set(base.rglob("*"))
    for overwrite in ("true", "false"):
        for path, field in (("/upload/image", "image"), ("/assets", "file")):
            for given, named, subfolder in ((name, "", ""), ("x.bin", name, ""), ("x.bin", "", name)):
                fields = FormData({"name": named, "subfolder": subfolder, "overwrite": overwrite})
                fields.add_field(field, overwrite.encode(), filename=given)
                assert (await client.post(path, data=fields)).status < 500
        assert (await client.post(f"/userdata/{quoted}?overwrite={overwrite}", data=b"x")).status < 500
        await client.post("/userdata/kept", data=b"x")
        assert (await client.post(f"/userdata/kept/move/{quoted}?overwrite={overwrite}")).status < 500
    new = [path for path in set(base.rglob("*")) - before if path.is_file()]
    profile = served.folders.user / "default"
    assert new and all(path.is_relative_to(served.folders.input) or path.is_relative_to(profile) for path in new)


async def test_a_file_opened_as_a_page_is_in_a_sandbox(served: Serving) -> None:
    for name in ("x.txt", "x.html", "x.svg", "x.png"):
        (served.folders.output / name).write_bytes(b"<script>parent.document</script>")
        answer = await served.client.get(f"/view?filename={name}")
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
