"""Which sockets an address list opens, and what is said when one cannot be."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from limner.app.listening import CannotServe, bound, urls


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_free_port_is_taken_once_for_all_addresses() -> None:
    sockets = bound("127.0.0.1, 127.0.0.2", 0)
    try:
        (first, second) = (opened.getsockname() for opened in sockets)
        assert first[0] == "127.0.0.1" and second[0] == "127.0.0.2"
        assert first[1] == second[1] != 0
        assert urls(sockets) == [f"http://127.0.0.1:{first[1]}", f"http://127.0.0.2:{first[1]}"]
    finally:
        for opened in sockets:
            opened.close()


def test_every_address_is_shown_as_this_machine() -> None:
    sockets = bound("0.0.0.0,::", 0)
    try:
        port = sockets[0].getsockname()[1]
        assert urls(sockets)[0] == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    finally:
        for opened in sockets:
            opened.close()


def test_a_taken_port_is_named_with_the_remedy(taken: int) -> None:
    with pytest.raises(CannotServe, match=f"port {taken}: it is taken by another program.*--port"):
        bound("127.0.0.1", taken)


def test_a_taken_second_address_leaves_nothing_open(taken: int) -> None:
    with pytest.raises(CannotServe):
        bound("127.0.0.2,127.0.0.1", taken)
    with socket.create_server(("127.0.0.2", taken)):
        pass


@pytest.mark.parametrize(
    ("addresses", "says"),
    [("", "no address"), (" , ", "no address"), ("300.1.1.1", "300.1.1.1"), ("192.0.2.7", "no such address")],
)
def test_addresses_that_cannot_be_listened_on(addresses: str, says: str) -> None:
    with pytest.raises(CannotServe, match=says) as caught:
        bound(addresses, 0)
    assert "--listen" in caught.value.remedy
