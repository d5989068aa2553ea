"""Requests that are broken, or mean harm: each is answered by name, and what comes after it works."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from limner.server.services import LogLine
from tests.support.in_process import Serving, chain, serving

HALF = "\\ud83d"
"""Half an emoji, as JSON escapes it: text that no encoding can write."""


NODES = """{
  "ONE": {"class_type": "Number", "inputs": {"value": 5}},
  "2": {"class_type": "Show", "inputs": {"value": ["ONE", 0], "name": "x"}}
}"""


def body(
    nodes: str = NODES,
    **more: str,
) -> bytes:
    return ("{" + ", ".join(f'"{key}": {value}' for key, value in {"prompt": nodes, **more}.items()) + "}").encode()


@pytest.mark.parametrize(
    "request_body",
    [
        body(number="1" + "0" * 400),
        body(client_id='{"a": 1}'),
        body(extra_data='{"client_id": ["a"]}'),
    ],
)
async def test_what_is_no_number_or_no_name_is_refused(served: Serving, request_body: bytes) -> None:
    answer = await served.client.post("/prompt", data=request_body)
    assert answer.status == 400
    assert (await answer.json())["error"]["remedy"]


@pytest.mark.parametrize("path", ["/upload/image", "/upload/mask", "/assets", "/run/kept"])
@pytest.mark.parametrize("head", [b'name="a\x7fb"', b'name="a"\r\nno colon', b'name="a"\r\nContent-Encoding: none'])
async def test_a_part_of_a_form_with_a_broken_head_is_refused(served: Serving, path: str, head: bytes) -> None:
    await served.client.post("/workflows", json={"name": "kept", "workflow": chain()})
    form = b"--x\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n1\r\n--x--\r\n"
    answer = await served.client.post(path, data=form, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status == 400
    assert (await answer.json())["error"]["remedy"]


@pytest.mark.parametrize("path", ["/events?since=", "/ws?since=", "/history?max_items=", "/jobs?limit="])
async def test_a_number_of_thousands_of_digits_is_refused(served: Serving, path: str) -> None:
    assert (await served.client.get(path + "9" * 5000)).status == 400


async def test_broken_text_reaches_clients_escaped(served: Serving) -> None:
    nodes = body(NODES.replace("ONE", HALF))
    async with served.client.ws_connect("/ws") as socket:
        answer = await served.client.post("/prompt", data=nodes)
        assert answer.status == 200, await answer.text()
        async with asyncio.timeout(10):
            while (await socket.receive_json())["type"] != "execution_success":
                pass
    assert (await served.client.post("/prompt", data=body(client_id=f'"{HALF}"'))).status == 200
    assert (await served.client.post("/history", data=f'{{"delete": ["{HALF}"]}}'.encode())).status == 200


async def test_a_file_name_that_is_not_utf8_is_listed(served: Serving) -> None:
    folder = served.folders.model_folder("checkpoints").paths[0]
    folder.mkdir(parents=True, exist_ok=True)
    with open(os.fsencode(folder) + b"/\xff.safetensors", "wb"):
        pass
    answer = await served.client.get("/object_info")
    assert answer.status == 200
    choices = (await answer.json())["Load"]["input"]["required"]["ckpt_name"][0]
    assert "\udcff.safetensors" in choices


class Lines:
    """A log that is written to from another thread."""

    def __init__(self) -> None:
        self.watchers: list[Any] = []

    def lines(self) -> tuple[LogLine, ...]:
        return ()

    def watch(self, callback: Any) -> Any:
        self.watchers.append(callback)
        return lambda: self.watchers.remove(callback)


async def test_log_lines_of_other_threads_reach_their_readers(tmp_path: Any) -> None:
    book = Lines()
    async with serving(tmp_path, logs=book) as served, served.client.ws_connect("/ws?clientId=me") as socket:
        await socket.receive_json()
        answer = await served.client.patch("/internal/logs/subscribe", json={"clientId": "me", "enabled": True})
        assert answer.status == 200
        thread = threading.Thread(target=lambda: book.watchers[0](LogLine("2026-01-01T00:00:00", "hello")))
        thread.start()
        thread.join()
        async with asyncio.timeout(10):
            while (frame := await socket.receive_json())["type"] != "logs":
                pass
        assert frame["data"]["entries"] == [{"t": "2026-01-01T00:00:00", "m": "hello\n"}]


async def test_the_server_goes_on(served: Serving) -> None:
    await served.client.post("/prompt", data=b'{"prompt": {"1": ' + b"[" * 100_000)
    assert await served.run(chain())
