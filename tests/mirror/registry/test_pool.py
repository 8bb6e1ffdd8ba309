"""Connections that wait for a request: used again, given up when dead, never shared."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpcore
import pytest

from mirror.errors import Unreachable
from mirror.registry.http11 import Direct
from mirror.registry.network import Backend
from mirror.registry.pool import Pool, Wire
from mirror.registry.tls import TlsOptions
from mirror.settings import DIRECT_READ_FROM
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import REPOSITORY, blob_of, noise, reach, read, shelve

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
        # Whoever is done with it closes it, here or there.
        with suppress(OSError):
            self._answer_all(peer)

    def _answer_all(self, peer: socket.socket) -> None:
        number = 0
        while request := peer.recv(65536):
            number += request.count(b"\r\n\r\n")
            reply = self.reply(number, request)
            if reply is None:
                peer.shutdown(socket.SHUT_RDWR)
                return
            peer.sendall(reply)

    def reply(self, number: int, request: bytes) -> bytes | None:
        """The answer to a connection's request of this number."""
        return self._answer(number)

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


def opened(origin: httpcore.Origin) -> Wire:
    """A connection as the tool makes them."""
    return Direct(ssl.create_default_context(), Backend(), origin)


@pytest.fixture
def pool(made: list[Wire]) -> Iterator[Pool]:
    def make(origin: httpcore.Origin) -> Wire:
        made.append(opened(origin))
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
    near = made[0]._stream.get_extra_info("socket")  # type: ignore[attr-defined]
    server.connections[0].shutdown(socket.SHUT_RDWR)
    assert select.select([near], [], [], 5)[0]
    assert ask(pool, server.url) == 200
    assert (len(made), near.fileno()) == (2, -1)


def test_a_peer_that_hangs_up_in_place_of_an_answer_is_told_and_forgotten(made: list[Wire]) -> None:
    peer = Server(lambda number: OK if number == 1 else None)
    pool = Pool(opened, keep=2)
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


# --- a body that was read past the HTTP library --------------------------------------------------


class Blobs(Server):
    """A registry with one large blob under any name; ``more`` is in the head of a GET's answer,
    ``behind`` follows its body.
    """

    content = noise(DIRECT_READ_FROM + 12345)
    blob = blob_of(content)

    def __init__(self, more: bytes = b"", behind: bytes = b"") -> None:
        self._more = more
        self._behind = behind
        super().__init__()

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://").rstrip("/")

    def reply(self, number: int, request: bytes) -> bytes:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(self.content)
        if request.startswith(b"HEAD"):
            return head + b"\r\n"
        return head + self._more + b"\r\n" + self.content + self._behind


def read_and_ask(peer: Blobs, *, times: int = 1) -> None:
    """Read the blob, and ask for it after that, on whichever connection."""
    with reach(peer.host) as registry:
        for _ in range(times):
            assert read(registry, peer.blob) == peer.content
            assert registry.has_blob(REPOSITORY, peer.blob)


@pytest.fixture
def blobs() -> Iterator[type[Blobs]]:
    made: list[Blobs] = []

    class Closed(Blobs):
        def __init__(self, more: bytes = b"", behind: bytes = b"") -> None:
            super().__init__(more, behind)
            made.append(self)

    yield Closed
    for each in made:
        each.close()


@pytest.mark.parametrize("more", [b"", b"Connection: keep-alive\r\n"])
def test_a_connection_whose_large_body_came_whole_takes_the_next_request(
    blobs: type[Blobs], more: bytes
) -> None:
    peer = blobs(more)
    read_and_ask(peer, times=3)
    assert len(peer.connections) == 1


class Redirecting(Blobs):
    """A registry that sends everybody elsewhere for the bytes, with a word about it."""

    def reply(self, number: int, request: bytes) -> bytes:
        if b" /elsewhere " in request.splitlines()[0]:
            return super().reply(number, request)
        moved = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\n"
        return moved + b"Content-Length: 5\r\n\r\nmoved"


def test_a_redirect_costs_no_connection() -> None:
    peer = Redirecting()
    try:
        with reach(peer.host) as registry:
            for _ in range(3):
                assert read(registry, peer.blob) == peer.content
        assert len(peer.connections) == 1
    finally:
        peer.close()


def test_a_connection_that_is_closed_in_the_middle_of_a_body_is_a_fault_of_ours(
    safe: FakeRegistry, trust: TlsOptions
) -> None:
    blob = shelve(safe, noise(4 * DIRECT_READ_FROM), REPOSITORY)
    with reach(safe.host, tls=trust) as registry, registry.blob(REPOSITORY, blob) as pieces:
        next(pieces)
        registry.close()
        with pytest.raises(Unreachable):
            list(pieces)


def test_one_of_which_a_part_was_read_takes_none(blobs: type[Blobs]) -> None:
    peer = blobs()
    with reach(peer.host) as registry:
        with registry.blob(REPOSITORY, peer.blob) as pieces:
            next(pieces)
        assert registry.has_blob(REPOSITORY, peer.blob)
    assert len(peer.connections) == 2


def test_one_that_its_peer_means_to_close_takes_none(blobs: type[Blobs]) -> None:
    peer = blobs(b"Connection: Close\r\n")
    read_and_ask(peer)
    assert len(peer.connections) == 2


def test_what_comes_behind_a_large_body_is_no_answer_to_what_is_asked_next(
    blobs: type[Blobs],
) -> None:
    peer = blobs(behind=b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    read_and_ask(peer, times=2)
    assert len(peer.connections) == 3


def test_a_large_body_under_tls_costs_no_second_handshake(
    safe: FakeRegistry, server_context: ssl.SSLContext, trust: TlsOptions
) -> None:
    handshakes = []
    server_context.sni_callback = lambda *told: handshakes.append(told)
    blob = shelve(safe, Blobs.content, REPOSITORY)
    with reach(safe.host, tls=trust) as registry:
        for _ in range(3):
            assert read(registry, blob) == Blobs.content
    assert len(handshakes) == 1
