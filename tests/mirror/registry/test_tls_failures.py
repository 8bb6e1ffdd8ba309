"""What is said when TLS with a registry fails: which certificate, what about it, what helps."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import load_der_x509_certificate

from mirror.errors import Misbehaved, Unreachable, Untrusted
from mirror.registry.tls import TlsOptions
from tests.fakes.behaviours import answer
from tests.fakes.certificates import HOST, LEAF, MIDDLE, ROOT, Made, Shape, dns, ip, line, server
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.peers import Peer, is_silent, resets, says, tunnels_to
from tests.mirror.registry.reach import (
    CANARY,
    IMAGE,
    REPOSITORY,
    TAG,
    fault_of,
    reach,
    seeded,
    somebody,
)

# Characters that one line of a message has room for.
LONGEST = 600


@dataclass(frozen=True)
class Place:
    """Where this test's files go; every connection of it is to HOST."""

    directory: Path

    def trusts(self, *certificates: Made) -> TlsOptions:
        path = self.directory / "ca.pem"
        path.write_bytes(b"".join(each.pem for each in certificates))
        return TlsOptions([path] if certificates else [])

    @contextmanager
    def presents(self, *chain: Made) -> Iterator[FakeRegistry]:
        with FakeRegistry(tls=server(self.directory, *chain)) as fake:
            fake.add(REPOSITORY, TAG, IMAGE)
            yield fake

    def told(self, trust: TlsOptions, *chain: Made) -> Untrusted:
        """The fault of asking a registry that presents this chain."""
        with self.presents(*chain) as fake:
            fault = refused(named(fake), trust)
            assert not fake.requests
        return fault


@pytest.fixture
def place(tmp_path: Path, resolver: None) -> Place:
    return Place(tmp_path)


def named(fake: FakeRegistry, name: str = HOST) -> str:
    return fake.host.replace("127.0.0.1", name)


def refused(host: str, trust: TlsOptions | None, timeout: float = 5.0) -> Untrusted:
    with reach(host, tls=trust, given=somebody(), timeout=timeout) as client:
        fault = fault_of(Untrusted, client.manifest, REPOSITORY, TAG)
    assert not fault.temporary
    assert len(fault.fact) <= LONGEST
    return fault


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
def test_an_authority_made_anew_under_its_old_name_is_told_from_the_old_one(
    place: Place, root_is_sent: bool
) -> None:
    root, leaf = line(ROOT, LEAF)
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


@contextmanager
def strict(place: Place, version: ssl.TLSVersion, root: Made, leaf: Made) -> Iterator[FakeRegistry]:
    context = server(place.directory, leaf)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=root.der)
    with FakeRegistry(tls=context) as fake:
        fake.add(REPOSITORY, TAG, IMAGE)
        yield fake


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
        fault = refused(named(fake), replace(place.trusts(root), cert_file=path, key_file=path))
    assert "it does not accept the client certificate" in fault.fact
    assert "--cert-file" in fault.hint


def test_nothing_is_said_where_nothing_fails(place: Place) -> None:
    root, middle, leaf = line(ROOT, MIDDLE, LEAF)
    with (
        place.presents(leaf, middle) as fake,
        reach(named(fake), tls=place.trusts(root)) as client,
    ):
        assert client.manifest(REPOSITORY, TAG) == seeded()
