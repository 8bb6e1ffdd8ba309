"""What is said when TLS with a registry fails: which certificate, what about it, what helps."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.x509 import load_der_x509_certificate

from mirror.errors import Untrusted
from mirror.registry.tls import TlsOptions
from tests.fakes.certificates import HOST, LEAF, MIDDLE, ROOT, Shape, dns, ip, line, server
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.handshakes import Place, named, refused, strict
from tests.mirror.registry.peers import Peer, is_silent, resets, says, tunnels_to

# --- no path to what is trusted ---------------------------------------------------------------


def test_an_unknown_authority_that_is_sent_is_named_with_its_fingerprint(place: Place) -> None:
    root, middle, leaf = line(ROOT, MIDDLE, LEAF)
    fault = place.told(place.trusts(), leaf, middle, root)
    assert f"the authority 'CN=root' (SHA-256 {root.fingerprint}) is not trusted" in fault.fact
    assert "--ca-file" in fault.hint
    # Believing whoever answers would be no check at all.
    assert "compare" in fault.hint


def test_openssls_own_words_are_kept_to_be_searched_for(place: Place) -> None:
    _root, middle, leaf = line(ROOT, MIDDLE, LEAF)
    fault = place.told(place.trusts(), leaf, middle)
    words = "(certificate verify failed: unable to get local issuer certificate)"
    assert fault.fact.endswith(words)


def test_an_unknown_authority_that_is_not_sent_is_known_by_what_it_issued(place: Place) -> None:
    _root, middle, leaf = line(ROOT, MIDDLE, LEAF)
    fault = place.told(place.trusts(), leaf, middle)
    assert f"'CN=middle' (SHA-256 {middle.fingerprint}) is issued by 'CN=root'" in fault.fact
    assert "neither sent nor trusted" in fault.fact
    assert "--ca-file" in fault.hint


def test_the_chain_is_followed_through_strangers_and_a_wrong_order(place: Place) -> None:
    shapes = (ROOT, MIDDLE, replace(MIDDLE, subject="second"), LEAF, replace(ROOT, subject="other"))
    root, middle, second, leaf, other = line(*shapes)
    fault = place.told(place.trusts(), leaf, other, root, middle, second)
    assert f"the authority 'CN=root' (SHA-256 {root.fingerprint}) is not trusted" in fault.fact


@pytest.mark.parametrize(
    ("authority", "leaf"),
    [
        (Shape("", organisation="Example Ltd"), LEAF),
        (Shape(""), replace(LEAF, names_issuers_issuer=True)),
    ],
    ids=["the same organisation", "named in the key identifier"],
)
def test_a_missing_intermediate_is_the_servers_matter(
    place: Place, authority: Shape, leaf: Shape
) -> None:
    organisation = authority.organisation
    root, _middle, made = line(
        replace(ROOT, organisation=organisation), replace(MIDDLE, organisation=organisation), leaf
    )
    fault = place.told(place.trusts(root), made)
    assert "an intermediate is missing" in fault.fact
    assert "CN=middle" in fault.fact
    assert "CN=root" in fault.fact
    assert "the server must send the intermediate" in fault.hint
    assert "CN=middle" in fault.hint


def test_an_issuer_that_resembles_nothing_trusted_may_be_either(place: Place) -> None:
    root, _middle, leaf = line(ROOT, MIDDLE, LEAF)
    fault = place.told(place.trusts(root), leaf)
    assert "intermediate is missing" not in fault.fact
    assert "--ca-file" in fault.hint
    assert "the server must send the intermediate" in fault.hint


@pytest.mark.parametrize("root_is_sent", [True, False])
@pytest.mark.parametrize("has_key_id", [True, False])
def test_an_authority_made_anew_under_its_old_name_is_told_from_the_old_one(
    place: Place, root_is_sent: bool, has_key_id: bool
) -> None:
    root, leaf = line(ROOT, replace(LEAF, has_issuers_key_id=has_key_id))
    *_, before = line(LEAF, LEAF, ROOT)
    assert before.key is not root.key
    fault = place.told(place.trusts(before), leaf, *([root] if root_is_sent else []))
    top = root if root_is_sent else leaf
    trusted = f"the trusted 'CN=root' (SHA-256 {before.fingerprint}), only by its name"
    assert f"(SHA-256 {top.fingerprint}) is not signed by {trusted}" in fault.fact
    assert "ask that authority's operator" in fault.hint


def test_the_longest_names_leave_room_for_the_rest(place: Place) -> None:
    organisation = "x" * 60
    shapes = [
        replace(shape, subject=f"{shape.subject} {'y' * 50}", organisation=organisation)
        for shape in (ROOT, MIDDLE, LEAF)
    ]
    root, _middle, leaf = line(*shapes)
    fault = place.told(place.trusts(root), leaf)
    assert fault.fact.endswith("local issuer certificate)")


def test_a_self_signed_certificate_is_called_so(place: Place) -> None:
    (alone,) = line(replace(LEAF, own=True))
    fault = place.told(place.trusts(), alone)
    fact = f"the certificate 'CN=server' (SHA-256 {alone.fingerprint}) is self-signed"
    assert fact in fault.fact
    assert "--ca-file" in fault.hint


def test_the_fingerprint_is_written_as_openssl_does(place: Place) -> None:
    (alone,) = line(replace(LEAF, own=True))
    assert re.search("SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}", place.told(TlsOptions(), alone).fact)


# --- another name -----------------------------------------------------------------------------


def test_a_wrong_name_is_told_with_those_there_are(place: Place) -> None:
    root, leaf = line(
        ROOT, replace(LEAF, names=(*dns("a.example", "*.b.example"), *ip("10.0.0.1")))
    )
    fault = place.told(place.trusts(root), leaf)
    names = "DNS:a.example, DNS:*.b.example, IP:10.0.0.1"
    assert f"the certificate is for {names}, and {HOST} was asked for" in fault.fact
    assert "use a name it was made for" in fault.hint


def test_an_address_that_stands_among_the_dns_names_shows(place: Place) -> None:
    root, leaf = line(ROOT, replace(LEAF, names=dns("127.0.0.1")))
    with place.presents(leaf) as fake:
        fault = refused(fake.host, place.trusts(root))
    assert "is for DNS:127.0.0.1, and 127.0.0.1 was asked for" in fault.fact


def test_of_many_names_a_few_are_shown(place: Place) -> None:
    names = dns(*(f"{'a' * 60}.host-{number}.example" for number in range(80)))
    root, leaf = line(ROOT, replace(LEAF, names=names))
    assert "host-0.example" in place.told(place.trusts(root), leaf).fact
    assert "and 75 more" in place.told(place.trusts(root), leaf).fact


def test_a_common_name_alone_is_told_not_to_count(place: Place) -> None:
    root, leaf = line(ROOT, replace(LEAF, subject=HOST, names=()))
    fault = place.told(place.trusts(root), leaf)
    assert "no subject alternative name" in fault.fact
    assert "common name alone does not count" in fault.hint


def test_a_server_that_knows_no_such_host_says_so(place: Place) -> None:
    root, leaf = line(ROOT, LEAF)
    context = server(place.directory, leaf)
    context.sni_callback = lambda *_given: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    with FakeRegistry(tls=context) as fake:
        fault = refused(named(fake), place.trusts(root))
    assert "it serves no host of this name" in fault.fact
    assert "the name" in fault.hint


# --- another time -----------------------------------------------------------------------------

PAST: dict[str, Any] = {"days": (-20, -10)}
FUTURE: dict[str, Any] = {"days": (10, 20)}


@pytest.mark.parametrize("which", [0, 1, 2], ids=["root", "middle", "leaf"])
@pytest.mark.parametrize("sends_root", [True, False])
def test_the_one_certificate_that_expired_is_named(
    place: Place, which: int, sends_root: bool
) -> None:
    shapes = [ROOT, MIDDLE, LEAF]
    shapes[which] = replace(shapes[which], **PAST)
    root, middle, leaf = made = line(*shapes)
    fault = place.told(place.trusts(root), leaf, middle, *([root] if sends_root else []))
    ended = load_der_x509_certificate(made[which].der).not_valid_after_utc
    subject = f"'CN={shapes[which].subject}'"
    assert f"the certificate of {subject} expired on {ended:%Y-%m-%d %H:%M} UTC" in fault.fact
    assert "have it renewed" in fault.hint


def test_one_that_is_not_yet_valid_hints_at_the_clock(place: Place) -> None:
    root, leaf = line(ROOT, replace(LEAF, **FUTURE))
    fault = place.told(place.trusts(root), leaf)
    begins = load_der_x509_certificate(leaf.der).not_valid_before_utc
    assert f"'CN=server' is valid only from {begins:%Y-%m-%d %H:%M} UTC" in fault.fact
    assert f"set this machine's clock, if it is wrong: it says {datetime.now(UTC):%Y}" in fault.hint


# --- another rule -----------------------------------------------------------------------------


def test_a_ca_file_is_not_recommended_where_it_cannot_help(place: Place) -> None:
    root, middle, leaf = line(ROOT, replace(MIDDLE, basic=(False, None, True)), LEAF)
    fault = place.told(place.trusts(root), leaf, middle)
    assert fault.fact == "certificate verify failed: invalid CA certificate"
    assert "--ca-file" not in fault.hint
    assert "replaced" in fault.hint


def test_a_signature_that_does_not_fit_is_not_put_on_the_authority(place: Place) -> None:
    root, middle, leaf = line(ROOT, MIDDLE, LEAF)
    broken = replace(leaf, der=leaf.der[:-1] + bytes([leaf.der[-1] ^ 1]))
    fault = place.told(place.trusts(root), broken, middle)
    assert fault.fact == "certificate verify failed: certificate signature failure"
    assert "replaced" in fault.hint


def test_names_in_certificates_cannot_rewrite_the_terminal(place: Place) -> None:
    (alone,) = line(replace(LEAF, subject="\x1b[2Jgood\u202e\nerror: ok", own=True))
    fact = place.told(TlsOptions(), alone).fact
    assert "[2Jgood" in fact
    assert not set(fact) & set("\x1b\u202e\n")


# --- the second handshake ---------------------------------------------------------------------


def flight(context: ssl.SSLContext, hello: bytes) -> bytes:
    """What a server answers to a client's first message."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(hello)
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("second", [is_silent, says(b"no TLS"), resets(), says()])
def test_where_it_fails_openssls_words_remain(place: Place, second: Any) -> None:
    (alone,) = line(replace(LEAF, own=True))
    context = server(place.directory, alone)

    def script(connection: Any) -> None:
        if len(peer.seen) > 1:
            second(connection)
            return
        connection.sendall(flight(context, peer.seen[0]))
        is_silent(connection)

    with Peer(script) as peer:
        fault = refused(peer.host, TlsOptions(), timeout=0.2)
        assert len(peer.seen) == 2
    assert fault.fact == "certificate verify failed: self-signed certificate"
    assert fault.hint == Untrusted.hint


def test_a_peer_that_takes_its_time_is_not_waited_for(place: Place) -> None:
    (alone,) = line(replace(LEAF, own=True))
    context = server(place.directory, alone)

    def script(connection: socket.socket) -> None:
        if len(peer.seen) > 1:
            # Ends when the client goes; answers in full if it is still there 4 s later.
            connection.settimeout(4)
            with suppress(TimeoutError):
                connection.recv(1)
                return
        connection.sendall(flight(context, peer.seen[-1]))
        is_silent(connection)

    with Peer(script) as peer:
        fault = refused(peer.host, TlsOptions(), timeout=0.2)
    assert fault.fact == "certificate verify failed: self-signed certificate"


def test_it_carries_neither_http_nor_a_password_nor_a_client_certificate(place: Place) -> None:
    root, mine, alone = line(ROOT, LEAF, replace(LEAF, own=True))
    path = place.directory / "mine.pem"
    path.write_bytes(mine.key_pem + mine.pem)
    # Whoever does not show the certificate that it trusts never gets through this handshake.
    with strict(place, ssl.TLSVersion.TLSv1_2, root, alone) as fake:
        fault = refused(named(fake), TlsOptions([], path, path))
        assert not fake.requests
    assert fault.fact == "certificate verify failed: self-signed certificate"


def test_through_a_proxy_nobody_is_asked_again(
    safe: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Peer(tunnels_to(safe.host)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.host}")
        fault = refused(named(safe, "localhost"), TlsOptions())
        assert len(proxy.seen) == 1
    assert fault.fact == "certificate verify failed: unable to get local issuer certificate"
    assert "--ca-file" in fault.hint


def test_a_host_exempt_from_the_proxy_is_asked(
    safe: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Peer(lambda connection: connection.close()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.host}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert "neither sent nor trusted" in refused(safe.host, TlsOptions()).fact
        assert not proxy.seen
