"""A connection that waits for its next request, and one that only seems to."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import httpcore
import pytest

from mirror.registry.transport import Backend


class Pair:
    """Both ends of one connection, the near one as the HTTP library has it."""

    def __init__(self, listener: socket.socket) -> None:
        self.near: httpcore.NetworkStream = Backend().connect_tcp(
            "127.0.0.1", listener.getsockname()[1], 5
        )
        self.far, _ = listener.accept()

    def arrived(self) -> None:
        """Wait until something that the far end did has come to the near one."""
        ours = self.near.get_extra_info("socket")
        assert select.select([ours], [], [], 5)[0]

    @property
    def dropped(self) -> bool:
        """Would the HTTP library close this connection if it took it for an idle one?"""
        return bool(self.near.get_extra_info("is_readable"))


@pytest.fixture
def pair() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        both = Pair(listener)
        yield both
        both.near.close()
        both.far.close()


def test_an_answer_that_comes_while_another_thread_looks_is_no_hangup(pair: Pair) -> None:
    pair.near.write(b"GET / HTTP/1.1\r\n\r\n", 5)
    pair.far.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    pair.arrived()
    assert not pair.dropped


def test_a_peer_that_hung_up_between_two_requests_is_seen(pair: Pair) -> None:
    assert not pair.dropped
    pair.far.close()
    pair.arrived()
    assert pair.dropped


def test_a_peer_that_hung_up_after_an_answer_was_done_with_is_seen(pair: Pair) -> None:
    pair.near.write(b"GET / HTTP/1.1\r\n\r\n", 5)
    pair.far.sendall(b"x")
    assert pair.near.read(1, 5) == b"x"
    pair.near.at_rest()  # type: ignore[attr-defined]
    pair.far.close()
    pair.arrived()
    assert pair.dropped
