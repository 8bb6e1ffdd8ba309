"""One exchange over a socket: bodies uncopied, and yet never more held than is on its way."""

from __future__ import annotations

import socket
import ssl
import tracemalloc
from collections.abc import Iterator

import httpcore
import pytest

from mirror.registry.http11 import Direct
from mirror.registry.network import Backend
from mirror.settings import KIB, MAX_ONE_HEAD, MIB
from tests.mirror.registry.peers import Peer, Script, says
from tests.mirror.registry.reach import noise, sliced

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


def direct(peer: Peer) -> Direct:
    name, _, port = peer.host.partition(":")
    origin = httpcore.Origin(b"http", name.encode(), int(port))
    return Direct(ssl.create_default_context(), Backend(), origin)


def put(wire: Direct, peer: Peer, size: int, pieces: Iterator[bytes | memoryview]) -> int:
    """Upload ``size`` bytes; the status of the answer."""
    headers = {"Host": "registry.test", "Content-Length": str(size)}
    content: Iterator[bytes] = pieces  # type: ignore[assignment] # views go out as they are
    request = httpcore.Request("PUT", f"http://{peer.host}/", headers=headers, content=content)
    answer = wire.handle_request(request)
    answer.read()
    answer.close()
    return answer.status


def takes(size: int, into: bytearray | None = None) -> Script:
    """Reads a head and ``size`` bytes, keeps them in ``into``, and answers 201."""

    def script(connection: socket.socket) -> None:
        buffer, left, head = bytearray(64 * KIB), size, b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        while left:
            count = connection.recv_into(buffer, min(left, len(buffer)))
            left -= count
            if into is not None:
                into.extend(buffer[:count])
        connection.sendall(CREATED)

    return script


@pytest.mark.parametrize("piece", [1000, 16 * KIB, 17 * KIB, MIB])
def test_pieces_of_one_buffer_that_is_used_again_arrive_as_they_were(piece: int) -> None:
    data, arrived, buffer = noise(3 * MIB + 5), bytearray(), memoryview(bytearray(piece))

    def reused() -> Iterator[memoryview]:
        for part in sliced(data, piece):
            buffer[: len(part)] = part
            yield buffer[: len(part)]

    with Peer(takes(len(data), arrived)) as peer:
        assert put(direct(peer), peer, len(data), reused()) == 201
    assert arrived == data


def test_many_small_pieces_are_not_gathered_in_memory() -> None:
    size, piece = 16 * MIB, bytes(KIB)
    with Peer(takes(size)) as peer:
        wire = direct(peer)
        tracemalloc.start()
        try:
            assert put(wire, peer, size, (piece for _ in range(size // KIB))) == 201
            assert tracemalloc.get_traced_memory()[1] < MIB
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("size", [0, 5])
def test_a_small_request_goes_out_in_one_go(size: int) -> None:
    with Peer(says(CREATED)) as peer:
        assert put(direct(peer), peer, size, iter([b"x" * size])) == 201
        assert peer.seen[0].endswith(b"\r\n\r\n" + b"x" * size)


def test_a_head_as_long_as_signed_addresses_make_it_is_understood() -> None:
    padding = b"X-Signed: " + b"a" * (MAX_ONE_HEAD // 2) + b"\r\n"
    with Peer(says(CREATED[:-2] + padding + b"\r\n")) as peer:
        assert put(direct(peer), peer, 0, iter(())) == 201


def test_a_head_longer_than_that_is_no_answer() -> None:
    padding = b"X-Signed: " + b"a" * (MAX_ONE_HEAD + 64 * KIB) + b"\r\n"
    with (
        Peer(says(CREATED[:-2] + padding + b"\r\n")) as peer,
        pytest.raises(httpcore.RemoteProtocolError),
    ):
        put(direct(peer), peer, 0, iter(()))


def test_an_answer_that_changes_the_protocol_is_an_answer_and_the_end() -> None:
    with Peer(says(b"HTTP/1.1 101 Switching Protocols\r\n\r\nwhatever")) as peer:
        wire = direct(peer)
        assert put(wire, peer, 0, iter(())) == 101
        assert not wire.is_idle()


def test_a_body_shorter_than_was_said_is_no_request() -> None:
    with Peer(takes(10)) as peer:
        wire = direct(peer)
        with pytest.raises(Exception, match="Content-Length"):
            put(wire, peer, 10, iter([b"short"]))
        assert not wire.is_idle()
