"""Whatever a peer does, what leaves this room is a fault of ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import Fault, Side, Unreachable
from mirror.registry.client import Registry
from mirror.registry.tls import TlsOptions
from mirror.settings import MIB
from tests.fakes.content import Given
from tests.mirror.oci.documents import steady
from tests.mirror.registry.peers import Peer, Script, endless, is_silent, resets, says
from tests.mirror.registry.reach import (
    REPOSITORY,
    TAG,
    blob_of,
    fault_of,
    noise,
    reach,
    read,
    seeded,
    words,
)

OK = b"HTTP/1.1 200 OK\r\n"
LARGE = noise(2 * MIB)
BLOB = blob_of(LARGE)

PEERS: dict[str, Script] = {
    "closes": says(),
    "resets": resets(),
    "silent": is_silent,
    "garbage": says(b"\x00\xff\x00garbage\r\n\r\n"),
    "speaks-ssh": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "speaks-http-2": says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18),
    "speaks-http-0.9": says(b"<html>hello</html>"),
    "speaks-http-1.0": says(b"HTTP/1.0 200 OK\r\n\r\nbody"),
    "no-reason": says(b"HTTP/1.1 200\r\n\r\n"),
    "status-of-two-digits": says(b"HTTP/1.1 20 OK\r\n\r\n"),
    "status-of-words": says(b"HTTP/1.1 two OK\r\n\r\n"),
    "status-000": says(b"HTTP/1.1 000 OK\r\n\r\n"),
    "status-999": says(b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"),
    "status-101": says(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"),
    "status-204": says(b"HTTP/1.1 204 None\r\n\r\n"),
    "status-304": says(b"HTTP/1.1 304 Same\r\n\r\n"),
    "status-206": says(b"HTTP/1.1 206 Part\r\nContent-Length: 1\r\n\r\nx"),
    "only-100": says(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "head-cut": says(OK + b"Content-Le"),
    "head-reset": resets(OK + b"Content-Le"),
    "head-without-end": endless(OK, b"X-A: " + b"a" * 10_000 + b"\r\n"),
    "header-without-end": endless(OK + b"X-A: ", b"a" * 10_000),
    "header-without-colon": says(OK + b"nonsense\r\n\r\n"),
    "header-of-controls": says(OK + b"X-A: \x00\x1b[2J\r\nContent-Length: 0\r\n\r\n"),
    "header-not-ascii": says(OK + b"Docker-Content-Digest: \xff\xfe\r\nContent-Length: 1\r\n\r\nx"),
    "length-negative": says(OK + b"Content-Length: -5\r\n\r\nhello"),
    "length-of-words": says(OK + b"Content-Length: five\r\n\r\nhello"),
    "length-of-superscripts": says(OK + "Content-Length: ²\r\n\r\nhello".encode()),
    "length-huge": says(OK + b"Content-Length: " + b"9" * 19 + b"\r\n\r\nx"),
    "length-of-5000-digits": says(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx"),
    "length-twice": says(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    "length-and-chunks": says(
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunk-of-words": says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx"),
    "chunk-negative": says(OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nx"),
    "chunk-cut": says(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe"),
    "chunk-reset": resets(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe"),
    "coding-unknown": says(OK + b"Transfer-Encoding: gzip\r\n\r\nxxx"),
    "body-cut": says(OK + b"Content-Length: %d\r\n\r\n" % len(LARGE), LARGE[: 1 * MIB]),
    "body-reset": resets(OK + b"Content-Length: %d\r\n\r\n" % len(LARGE) + LARGE[: 1 * MIB]),
    "challenge-garbage": says(
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="\xff\r\nContent-Length: 0\r\n\r\n'
    ),
    "challenge-without-end": says(
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer " + b'a="b",' * 9000 + b"\r\n\r\n"
    ),
    "location-garbage": says(
        b"HTTP/1.1 307 Go\r\nLocation: http://[\xff]:x\x80/\r\nContent-Length: 0\r\n\r\n"
    ),
    "location-of-another-scheme": says(
        b"HTTP/1.1 302 Go\r\nLocation: telnet://127.0.0.1:1\r\nContent-Length: 0\r\n\r\n"
    ),
    "session-garbage": says(
        b"HTTP/1.1 202 OK\r\nLocation: http://[\xff]:x\x80/\r\nContent-Length: 0\r\n\r\n"
    ),
}

ACTS: dict[str, Callable[[Registry], object]] = {
    "manifest": lambda client: client.manifest(REPOSITORY, TAG),
    "blob": lambda client: read(client, BLOB),
    "put": lambda client: client.put_manifest(REPOSITORY, TAG, seeded()),
    "upload": lambda client: client.upload(REPOSITORY, BLOB, Given(LARGE)),
    "tags": lambda client: client.tags(REPOSITORY),
    "tagged": lambda client: client.tagged(REPOSITORY, TAG),
    "has": lambda client: client.has_blob(REPOSITORY, BLOB),
    "mount": lambda client: client.mount(REPOSITORY, BLOB, "tkg/base"),
}


def failure(act: Callable[[Registry], object], client: Registry) -> Fault | None:
    try:
        act(client)
    except Fault as fault:
        return fault
    return None


def survives(host: str, *acts: Callable[[Registry], object], tls: TlsOptions | None = None) -> None:
    """A result or a fault of ours, and clean words in it."""
    with reach(host, side=Side.DESTINATION, timeout=0.1, tls=tls) as client:
        faults = [failure(act, client) for act in acts]
    assert all(fault is None or words(fault).isprintable() for fault in faults)


@pytest.mark.parametrize("script", PEERS.values(), ids=PEERS.keys())
def test_every_nasty_peer_gives_a_fault_or_an_answer(script: Script) -> None:
    with Peer(script) as peer:
        survives(peer.host, *ACTS.values())


@pytest.mark.parametrize(
    "name",
    ["closes", "resets", "silent", "garbage", "head-cut", "head-reset", "chunk-cut", "body-cut"],
)
def test_a_connection_that_fails_may_be_better_next_time(name: str) -> None:
    with Peer(PEERS[name]) as peer, reach(peer.host, timeout=0.2) as client:
        assert fault_of(Unreachable, read, client, BLOB).temporary


@pytest.mark.parametrize(
    "name", ["closes", "resets", "silent", "garbage", "speaks-ssh", "only-100"]
)
def test_nasty_peers_under_tls(name: str, trust: TlsOptions) -> None:
    with Peer(PEERS[name]) as peer:
        survives(peer.host, ACTS["blob"], tls=trust)


def test_nobody_there() -> None:
    with Peer(says()) as peer:
        pass
    survives(peer.host, *ACTS.values())
    with reach(peer.host) as client:
        fault = fault_of(Unreachable, client.manifest, REPOSITORY, TAG)
    assert not fault.answered


def test_a_name_that_cannot_be_looked_up() -> None:
    for host in ("a" * 70 + ".example", "a..example", "xn--a.example:x", "[::1", "127.0.0.1:99999"):
        with pytest.raises(Fault), reach(host) as client:
            client.manifest(REPOSITORY, TAG)


def test_a_stall_is_told_with_the_time_that_was_waited() -> None:
    with Peer(is_silent) as peer, reach(peer.host, timeout=1.0) as client:
        assert "within 1 s" in fault_of(Unreachable, client.manifest, REPOSITORY, TAG).fact


PIECES = [OK, b"HTTP/1.1 401 No\r\n", b"HTTP/1.1 307 Go\r\n", b"HTTP/1.1 202 OK\r\n"]
PIECES += [
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"5\r\n",
    b"hello",
    b"0\r\n",
]
PIECES += [
    b"Location: /v2/x?y\r\n",
    b"Link: </v2/y>; rel=next\r\n",
    b'{"tags":["a"]}',
    b"\x00",
    b":",
]
PIECES += [b"WWW-Authenticate: Bearer realm=/token\r\n", b"Location: ::\r\n", b"\r\n", b"\r\n\r\n"]
pieces = st.sampled_from(PIECES)


# Each example is a connection or more.
@settings(steady, max_examples=30)
@given(st.lists(pieces, max_size=8).map(b"".join), st.sampled_from(sorted(ACTS)))
def test_any_bytes_on_the_wire_give_a_fault_or_an_answer(answer: bytes, act: str) -> None:
    with Peer(says(answer)) as peer:
        survives(peer.host, ACTS[act])
