"""One exchange over a socket: bodies uncopied, and yet never more held than is on its way."""

from __future__ import annotations

import socket
import ssl
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager

import h11
import httpcore
import pytest

from mirror.registry.http11 import Direct
from mirror.registry.network import Backend
from mirror.settings import KIB, MAX_ONE_HEAD, MIB
from tests.mirror.registry.peers import Peer, says
from tests.mirror.registry.reach import noise, sliced

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def direct(host: str) -> Iterator[Direct]:
    """A connection to ``host``, closed in the end."""
    name, _, port = host.partition(":")
    origin = httpcore.Origin(b"http", name.encode(), int(port))
    with closing(Direct(ssl.create_default_context(), Backend(), origin)) as wire:
        yield wire


def put(wire: Direct, size: int, pieces: Iterator[bytes | memoryview]) -> int:
    """Upload ``size`` bytes; the status of the answer."""
    content: Iterator[bytes] = pieces  # type: ignore[assignment] # views go out as they are
    request = httpcore.Request(
        "PUT",
        "http://registry.test/",
        headers=[("Host", "registry.test"), ("Content-Length", str(size))],
        content=content,
        extensions={"timeout": {"connect": 5.0, "read": 5.0, "write": 5.0}},
    )
    answer = wire.handle_request(request)
    answer.read()
    answer.close()
    return answer.status


@contextmanager
def receiving(
    size: int, into: bytearray | None = None, begun: threading.Event | None = None
) -> Iterator[str]:
    """A host that takes one request with ``size`` bytes, keeps them ``into``, and says 201.

    ``begun`` is set when the request's head is there.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        begun = begun or threading.Event()
        thread = threading.Thread(target=_receive, args=(listening, size, into, begun))
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def _receive(
    listening: socket.socket, size: int, into: bytearray | None, begun: threading.Event
) -> None:
    connection, _address = listening.accept()
    with connection, connection.makefile("rb") as stream:
        while stream.readline().strip():
            pass
        begun.set()
        while size and (piece := stream.read(min(size, 64 * KIB))):
            size -= len(piece)
            if into is not None:
                into.extend(piece)
        connection.sendall(CREATED)


@pytest.mark.parametrize("piece", [1000, 16 * KIB, 17 * KIB, MIB])
def test_pieces_of_one_buffer_that_is_used_again_arrive_as_they_were(piece: int) -> None:
    data, arrived, buffer = noise(3 * MIB + 5), bytearray(), memoryview(bytearray(piece))

    def reused() -> Iterator[memoryview]:
        for part in sliced(data, piece):
            buffer[: len(part)] = part
            yield buffer[: len(part)]

    with receiving(len(data), arrived) as host, direct(host) as wire:
        assert put(wire, len(data), reused()) == 201
    assert arrived == data


def test_the_head_of_an_upload_does_not_wait_for_a_slow_source() -> None:
    begun = threading.Event()

    def late() -> Iterator[bytes]:
        assert begun.wait(5)
        yield bytes(MIB)

    with receiving(MIB, begun=begun) as host, direct(host) as wire:
        assert put(wire, MIB, late()) == 201


def test_many_small_pieces_are_not_gathered_in_memory() -> None:
    size, piece = 16 * MIB, bytes(KIB)
    with receiving(size) as host, direct(host) as wire:
        tracemalloc.start()
        try:
            assert put(wire, size, (piece for _ in range(size // KIB))) == 201
            assert tracemalloc.get_traced_memory()[1] < MIB
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("size", [0, 5])
def test_a_small_request_goes_out_in_one_go(size: int) -> None:
    with Peer(says(CREATED)) as peer, direct(peer.host) as wire:
        assert put(wire, size, iter([b"x" * size])) == 201
        assert peer.seen[0].endswith(b"\r\n\r\n" + b"x" * size)


def test_a_head_as_long_as_signed_addresses_make_it_is_understood() -> None:
    padding = b"X-Signed: " + b"a" * (MAX_ONE_HEAD // 2) + b"\r\n"
    with Peer(says(CREATED[:-2] + padding + b"\r\n")) as peer, direct(peer.host) as wire:
        assert put(wire, 0, iter(())) == 201


def test_a_head_longer_than_that_is_no_answer() -> None:
    padding = b"X-Signed: " + b"a" * (MAX_ONE_HEAD + 64 * KIB) + b"\r\n"
    with (
        Peer(says(CREATED[:-2] + padding + b"\r\n")) as peer,
        direct(peer.host) as wire,
        pytest.raises(httpcore.RemoteProtocolError),
    ):
        put(wire, 0, iter(()))


def test_an_answer_that_changes_the_protocol_is_none() -> None:
    with (
        Peer(says(b"HTTP/1.1 101 Switching Protocols\r\n\r\nwhatever")) as peer,
        direct(peer.host) as wire,
        pytest.raises(httpcore.RemoteProtocolError),
    ):
        put(wire, 0, iter(()))


def test_a_body_shorter_than_was_said_is_no_request() -> None:
    with receiving(10) as host, direct(host) as wire:
        with pytest.raises(h11.LocalProtocolError, match="Content-Length"):
            put(wire, 10, iter([b"short"]))
        assert not wire.is_idle()
