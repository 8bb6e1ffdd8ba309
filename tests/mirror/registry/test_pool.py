"""Connections that wait for a request: used again, given up when dead, never shared."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpcore
import pytest

from mirror.registry.pool import Pool, Wire
from mirror.registry.transport import Backend

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request with what ``answer`` gives; None hangs up in place of an answer."""

    def __init__(self, answer: Callable[[int], bytes | None] = lambda _number: OK) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.connections: list[socket.socket] = []
        self._answer = answer
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        number = 0
        while request := peer.recv(65536):
            number += request.count(b"\r\n\r\n")
            reply = self._answer(number)
            if reply is None:
                peer.shutdown(socket.SHUT_RDWR)
                return
            peer.sendall(reply)

    def close(self) -> None:
        self._listener.close()
        for peer in self.connections:
            peer.close()


@pytest.fixture
def server() -> Iterator[Server]:
    peer = Server()
    yield peer
    peer.close()


@pytest.fixture
def made() -> list[Wire]:
    return []


@pytest.fixture
def pool(made: list[Wire]) -> Iterator[Pool]:
    straight = httpcore.ConnectionPool(network_backend=Backend())

    def make(origin: httpcore.Origin) -> Wire:
        made.append(straight.create_connection(origin))
        return made[-1]

    found = Pool(make, keep=2)
    yield found
    found.close()


def get(url: str) -> httpcore.Request:
    """What the tool's own requests have too: a host."""
    return httpcore.Request("GET", url, headers={"Host": "registry.test"})


def ask(pool: Pool, url: str, *, read: bool = True) -> int:
    """One exchange to its end; with ``read`` off the body is left where it is."""
    answer, ended = pool.exchange(get(url))
    if read:
        assert answer.read() == b"ok"
    answer.close()
    ended()
    return answer.status


def test_a_connection_is_used_again_and_again(pool: Pool, server: Server) -> None:
    for _ in range(5):
        assert ask(pool, server.url) == 200
    assert len(server.connections) == 1


def test_every_origin_has_connections_of_its_own(pool: Pool, server: Server) -> None:
    other = Server()
    try:
        for url in (server.url, other.url, server.url):
            assert ask(pool, url) == 200
        assert (len(server.connections), len(other.connections)) == (1, 1)
    finally:
        other.close()


def test_a_connection_whose_body_was_left_is_not_used_again(
    pool: Pool, server: Server, made: list[Wire]
) -> None:
    assert ask(pool, server.url, read=False) == 200
    assert ask(pool, server.url) == 200
    assert len(made) == 2


def test_a_peer_that_hung_up_between_two_requests_costs_nothing(
    pool: Pool, server: Server, made: list[Wire]
) -> None:
    ask(pool, server.url)
    near = made[0]._connection._network_stream.get_extra_info("socket")  # type: ignore[attr-defined]
    server.connections[0].shutdown(socket.SHUT_RDWR)
    assert select.select([near], [], [], 5)[0]
    assert ask(pool, server.url) == 200
    assert (len(made), near.fileno()) == (2, -1)


def test_a_peer_that_hangs_up_in_place_of_an_answer_is_told_and_forgotten(made: list[Wire]) -> None:
    peer = Server(lambda number: OK if number == 1 else None)
    pool = Pool(httpcore.ConnectionPool(network_backend=Backend()).create_connection, keep=2)
    try:
        ask(pool, peer.url)
        with pytest.raises(httpcore.RemoteProtocolError):
            ask(pool, peer.url)
        assert ask(pool, peer.url) == 200
    finally:
        pool.close()
        peer.close()


def test_no_more_connections_wait_than_are_to_be_kept(
    pool: Pool, server: Server, made: list[Wire]
) -> None:
    busy = [pool.exchange(get(server.url)) for _ in range(4)]
    for answer, ended in busy:
        answer.read()
        answer.close()
        ended()
    assert [wire.is_idle() for wire in made] == [True, True, False, False]


def test_after_the_end_nothing_is_kept(pool: Pool, server: Server, made: list[Wire]) -> None:
    answer, ended = pool.exchange(get(server.url))
    ask(pool, server.url)
    answer.read()
    answer.close()
    pool.close()
    ended()
    assert not any(wire.is_idle() for wire in made)


def test_a_connection_that_is_closed_just_as_it_is_taken_is_a_fault_like_any(
    pool: Pool, server: Server, made: list[Wire]
) -> None:
    ask(pool, server.url)
    pool.close()
    with pytest.raises(httpcore.LocalProtocolError):
        ask(Pool(lambda _origin: made[0], keep=1), server.url)


def test_many_threads_never_share_a_connection(pool: Pool, server: Server) -> None:
    """httpcore's own pool closed some of them under an answer that was just coming (EBADF)."""
    with ThreadPoolExecutor(8) as crew:
        statuses = list(crew.map(lambda _number: ask(pool, server.url), range(800)))
    assert statuses == [200] * 800
