"""Frames as RFC 6455 writes them, read back by another implementation of it."""

from __future__ import annotations

import pytest
from aiohttp import WSMsgType
from websockets.extensions import Extension
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from limner.server.socket import framed


@pytest.mark.parametrize("size", [0, 1, 125, 126, 2**16 - 1, 2**16, 2**17])
@pytest.mark.parametrize("kind", [WSMsgType.TEXT, WSMsgType.BINARY])
def test_a_frame_of_any_size_is_read_as_it_was(size: int, kind: WSMsgType) -> None:
    data = bytes(number % 251 for number in range(size))
    assert read(framed(data, kind)) == Frame(Opcode(int(kind)), data)


def read(written: bytes) -> Frame:
    reader = StreamReader()
    reader.feed_data(written)
    reader.feed_eof()
    none: list[Extension] = []
    parsing = Frame.parse(reader.read_exact, mask=False, extensions=none)
    with pytest.raises(StopIteration) as found:
        while True:
            next(parsing)
    frame: Frame = found.value.value
    return frame
