"""What is said where the two sides speak different protocols, and of client certificates."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

import pytest

from mirror.errors import Misbehaved, Unreachable
from mirror.registry.tls import TlsOptions
from tests.fakes.behaviours import answer
from tests.fakes.certificates import LEAF, MIDDLE, ROOT, line, server
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.handshakes import Place, named, refused, strict
from tests.mirror.registry.peers import Peer, resets, says
from tests.mirror.registry.reach import (
    CANARY,
    REPOSITORY,
    TAG,
    fault_of,
    reach,
    seeded,
)

# --- another protocol -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.example ESMTP\r\n"]
)
def test_plain_http_on_a_tls_port_is_named(place: Place, words: bytes) -> None:
    with Peer(says(words)) as peer:
        fault = refused(peer.host, TlsOptions())
    assert "it speaks plain HTTP on this port" in fault.fact
    assert "--plain-http" in fault.hint


ALERT = bytes.fromhex("15030300020246")


def test_tls_on_a_plain_port_is_named_and_no_password_is_sent(safe: FakeRegistry) -> None:
    fault = refused(safe.host, None)
    assert "it speaks TLS on this port" in fault.fact
    assert "leave --plain-http away" in fault.hint
    assert not safe.requests


def test_an_alert_is_tls_too(place: Place) -> None:
    with Peer(says(ALERT)) as peer:
        assert "it speaks TLS on this port" in refused(peer.host, None).fact
        assert CANARY.encode() not in b"".join(peer.seen)


@pytest.mark.parametrize(
    "words",
    [
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"<title>400 The plain HTTP request was sent to HTTPS port</title>",
    ],
    ids=["go", "nginx"],
)
def test_a_server_that_says_it_in_plain_http_is_understood(
    fake: FakeRegistry, words: bytes
) -> None:
    fake.on("GET", "/v2/", answer(400, body=words))
    assert "it speaks TLS on this port" in refused(fake.host, None).fact


def test_behind_a_gateway_the_same_words_are_the_gateways_matter(place: Place) -> None:
    root, leaf = line(ROOT, LEAF)
    with place.presents(leaf) as fake, reach(named(fake), tls=place.trusts(root)) as client:
        fake.on("GET", "/v2/", answer(400, body=b"HTTP request to an HTTPS server"))
        fault_of(Misbehaved, client.manifest, REPOSITORY, TAG)


@pytest.mark.parametrize("script", [says(), resets()])
def test_a_plain_server_that_hangs_up_is_not_taken_for_tls(place: Place, script: Any) -> None:
    with Peer(script) as peer, reach(peer.host) as client:
        fault_of(Unreachable, client.manifest, REPOSITORY, TAG)


def test_a_server_that_knows_old_versions_only_ends_the_handshake(place: Place) -> None:
    root, leaf = line(ROOT, LEAF)
    context = server(place.directory, leaf)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with FakeRegistry(tls=context) as fake:
        fault = refused(named(fake), place.trusts(root))
    assert "no version of TLS from 1.2 on" in fault.fact
    assert "TLS 1.2 or 1.3" in fault.hint


# ServerHello of TLS 1.0: its version, a random, no session, one cipher suite, no compression.
HELLO_OF_TLS_1_0 = bytes.fromhex("160301002a020000260301") + bytes(32) + bytes.fromhex("00002f00")


def test_or_answers_in_an_old_version(place: Place) -> None:
    with Peer(says(HELLO_OF_TLS_1_0)) as peer:
        assert "no version of TLS from 1.2 on" in refused(peer.host, TlsOptions()).fact


# --- client certificates ----------------------------------------------------------------------

BOTH = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@BOTH
def test_a_missing_client_certificate_is_named(place: Place, version: ssl.TLSVersion) -> None:
    root, leaf = line(ROOT, LEAF)
    with strict(place, version, root, leaf) as fake:
        fault = refused(named(fake), place.trusts(root))
    assert "client certificate" in fault.fact
    assert "--cert-file with --key-file" in fault.hint


@BOTH
def test_a_client_certificate_that_is_not_accepted_is_told_from_none(
    place: Place, version: ssl.TLSVersion
) -> None:
    root, leaf, other = line(ROOT, LEAF, replace(LEAF, own=True))
    path = place.directory / "other.pem"
    path.write_bytes(other.key_pem + other.pem)
    with strict(place, version, root, leaf) as fake:
        fault = refused(named(fake), place.trusts(root)._replace(cert_file=path, key_file=path))
    assert "it does not accept the client certificate" in fault.fact
    assert "--cert-file" in fault.hint


def test_nothing_is_said_where_nothing_fails(place: Place) -> None:
    root, middle, leaf = line(ROOT, MIDDLE, LEAF)
    with (
        place.presents(leaf, middle) as fake,
        reach(named(fake), tls=place.trusts(root)) as client,
    ):
        assert client.manifest(REPOSITORY, TAG) == seeded()
