"""One question of a preflight: it ends in its time, however busily its peer talks."""

from __future__ import annotations

import contextlib
import socket

import pytest

from mirror.errors import Side, Unreachable
from mirror.registry.access import Access
from mirror.registry.probe import Probe
from mirror.settings import LEAST_RATE
from tests.mirror.registry.peers import Peer, Script, says

OK = b"HTTP/1.1 200 OK\r\n"


def trickles(head: bytes, piece: bytes) -> Script:
    """Send the head, then pieces at twenty times the pace at which a peer counts as dripping."""
    pause = len(piece) / (20 * LEAST_RATE)

    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        connection.settimeout(pause)
        while True:
            connection.sendall(piece)
            with contextlib.suppress(TimeoutError):
                if not connection.recv(65536):
                    return

    return script


def asked(peer: Peer, seconds: float) -> Probe:
    return Probe(peer.host, Access(Side.DESTINATION, plain_http=True), lambda: seconds)


@pytest.mark.parametrize(
    "script",
    [
        trickles(OK + b"Content-Length: 65000\r\n\r\n", b" " * 600),
        trickles(OK, b"X-More: " + b"a" * 600 + b"\r\n"),
        trickles(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 20),
    ],
    ids=["body", "headers", "interim answers"],
)
def test_a_peer_that_keeps_the_pace_has_no_more_time_than_a_silent_one(script: Script) -> None:
    with Peer(script) as peer, asked(peer, 0.2) as probe, pytest.raises(Unreachable):
        probe.ask("GET", "/v2/")


def test_every_value_of_a_header_is_kept_among_very_many() -> None:
    many = b"".join(b"X-%d: a\r\n" % number for number in range(5000))
    twice = b"WWW-Authenticate: Basic\r\nwww-authenticate: Bearer\r\n"
    script = says(OK, many, twice, b"Content-Length: 0\r\n\r\n")
    with Peer(script) as peer, asked(peer, 5.0) as probe:
        answer = probe.ask("GET", "/v2/")
    assert answer.headers["www-authenticate"] == ("Basic", "Bearer")
    assert len(answer.headers) == 5002
