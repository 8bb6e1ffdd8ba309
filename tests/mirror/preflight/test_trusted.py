"""TLS-1 against real handshakes."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mirror.preflight.interface import Status, Verdict
from mirror.registry.tls import TlsOptions
from tests.fakes.certificate_cases import CASES
from tests.fakes.certificates import HOST, LEAF, ROOT, dns, line, server
from tests.fakes.simple import FakeRegistry
from tests.mirror.preflight.safe import (
    HERE,
    asking,
    at_both,
    beside,
    by_name,
    presenting,
    question,
    said,
    trust,
)
from tests.mirror.registry.conftest import resolver as resolver
from tests.mirror.registry.peers import Peer, is_silent, resets, says

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def judged(case_name: str, directory: Path) -> Verdict:
    case = next(case for case in CASES if case.name == case_name)
    sent, trusted = case.made()
    with presenting(directory, *sent) as fake:
        return said("TLS-1", question(by_name(fake, case.host), trust(directory, *trusted)))


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize(
    "name", ["root-also-sent", "two-intermediates", "ed25519-leaf", "p521-leaf", "san-upper-case"]
)
def test_a_chain_that_every_client_accepts_passes(name: str, tmp_path: Path) -> None:
    verdict = judged(name, tmp_path)
    assert verdict.status is Status.PASS
    assert "by 'CN=root'" in verdict.summary
    assert "1. 'CN=server'" in verdict.detail


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize(
    "name",
    [
        "cn-only-no-san",
        "missing-intermediate",
        "expired-intermediate",
        "sha1-leaf",
        "eku-client-only",
        "selfsigned-leaf-unknown",
        "name-constraint-violation",
        "k256-leaf",
    ],
)
def test_what_go_refuses_fails_and_is_mendable(name: str, tmp_path: Path) -> None:
    verdict = judged(name, tmp_path)
    assert verdict.status is Status.FAIL
    assert verdict.fix


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("leaf-eku-any", "OpenSSL, and so this tool's own pushes"),
        ("leaf-ku-certsign-only", "OpenSSL, and so this tool's own pushes"),
        ("ca-no-ku", "rules of the public web"),
        ("leaf-ca-true", "rules of the public web"),
    ],
)
def test_what_only_stricter_clients_refuse_is_a_warning(
    name: str, words: str, tmp_path: Path
) -> None:
    verdict = judged(name, tmp_path)
    assert verdict.status is Status.WARN
    assert words in verdict.summary
    assert "nothing has to be done for TKG" in verdict.fix


def test_a_self_signed_certificate_that_is_itself_trusted_is_a_warning(tmp_path: Path) -> None:
    (alone,) = line(replace(HERE, own=True))
    with presenting(tmp_path, alone) as fake:
        verdict = said("TLS-1", asking(fake, trust(tmp_path, alone)))
    assert verdict.status is Status.WARN
    assert "trusted only as itself" in verdict.summary


def test_an_authority_with_an_ed25519_key_is_judged_by_openssl(tmp_path: Path) -> None:
    root, leaf = line(replace(ROOT, key="ed25519"), HERE)
    with presenting(tmp_path, leaf) as fake:
        verdict = said("TLS-1", asking(fake, trust(tmp_path, root)))
    assert verdict.status is Status.WARN
    assert "OpenSSL alone judged it" in verdict.summary


def test_and_refused_by_openssl_where_it_breaks_a_rule(tmp_path: Path) -> None:
    names = x509.NameConstraints([x509.IPAddress(ip_network("10.0.0.0/8"))], None)
    root, leaf = line(replace(ROOT, key="ed25519", extra=((names, True),)), HERE)
    with presenting(tmp_path, leaf) as fake:
        verdict = said("TLS-1", asking(fake, trust(tmp_path, root)))
    assert verdict.status is Status.FAIL
    assert "permitted subtree violation" in verdict.summary


def test_a_switch_for_transfers_does_not_change_the_verdict(tmp_path: Path) -> None:
    root, leaf = line(ROOT, HERE)
    with presenting(tmp_path, leaf) as fake:
        verdict = said("TLS-1", asking(fake, TlsOptions(insecure=True)))
        assert verdict.status is Status.FAIL
        given = trust(tmp_path, root)._replace(insecure=True)
        assert said("TLS-1", asking(fake, given)).status is Status.PASS
    assert "--ca-file" in verdict.fix
    assert "TKG_CUSTOM_IMAGE_REPOSITORY_CA_CERTIFICATE" in verdict.fix


def test_authorities_of_a_directory_count_as_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL reads one of them when a handshake needs it, and none before.

    It finds them by a hash of the subject: openssl x509 -noout -hash.
    """
    root, leaf = line(ROOT, HERE)
    store = tmp_path / "store"
    store.mkdir()
    (store / "dcaaf7f0.0").write_bytes(root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(store))
    with presenting(tmp_path, leaf) as fake:
        assert said("TLS-1", asking(fake)).status is Status.PASS


# --- no handshake at all ----------------------------------------------------------------------


def test_plain_http_fails_and_says_that_tkg_has_no_switch(fake: FakeRegistry) -> None:
    verdict = said("TLS-1", asking(fake, plain_http=True))
    assert verdict.status is Status.FAIL
    assert "TKG has no switch for plain HTTP" in verdict.fix


def test_plain_http_to_a_port_for_tls_says_so(tmp_path: Path) -> None:
    _root, leaf = line(ROOT, HERE)
    with presenting(tmp_path, leaf) as fake:
        verdict = said("TLS-1", asking(fake, plain_http=True))
    assert verdict.status is Status.FAIL
    assert "it speaks TLS on this port" in verdict.summary
    assert "leave --plain-http away" in verdict.fix


def test_http_on_the_port_for_tls_fails_as_what_it_is(fake: FakeRegistry) -> None:
    verdict = said("TLS-1", asking(fake))
    assert verdict.status is Status.FAIL
    assert "it speaks plain HTTP on this port" in verdict.summary
    assert "serve HTTPS" in verdict.fix


@pytest.mark.parametrize("script", [resets(), says()], ids=["resets", "hangs up"])
def test_who_says_nothing_is_not_judged(script: Any) -> None:
    with Peer(script) as peer:
        verdict = said("TLS-1", question(peer.host))
    assert verdict.unknown
    assert "gave no answer" in verdict.summary


@pytest.mark.parametrize("plain_http", [False, True])
def test_nor_is_a_port_where_nobody_listens(plain_http: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    assert said("TLS-1", question(host, plain_http=plain_http)).unknown


def test_nor_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_arguments: Any, **_named: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    verdict = said("TLS-1", question("registry.example"))
    assert verdict.unknown
    assert "registry.example has no address" in verdict.summary


def test_silence_is_waited_for_no_longer_than_a_request_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mirror.preflight.scene.PREFLIGHT_REQUEST", 0.05)
    with Peer(is_silent) as peer:
        verdict = said("TLS-1", question(peer.host))
    assert verdict.unknown
    assert "timed out" in verdict.summary


def test_old_versions_alone_fail(tmp_path: Path) -> None:
    root, leaf = line(ROOT, HERE)

    def old(context: ssl.SSLContext) -> None:
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with presenting(tmp_path, leaf, adjust=old) as fake:
        verdict = said("TLS-1", asking(fake, trust(tmp_path, root)))
    assert verdict.status is Status.FAIL
    assert "it speaks no version of TLS from 1.2 on" in verdict.summary


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_demand_for_client_certificates_fails(version: ssl.TLSVersion, tmp_path: Path) -> None:
    root, leaf = line(ROOT, HERE)

    def demanding(context: ssl.SSLContext) -> None:
        context.minimum_version = context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=root.der)

    with presenting(tmp_path, leaf, adjust=demanding) as fake:
        verdict = said("TLS-1", asking(fake, trust(tmp_path, root)))
    assert verdict.status is Status.FAIL
    assert "it wants a client certificate" in verdict.summary
    assert "TKG's clients have none" in verdict.fix


@pytest.mark.parametrize("spoilt", [b"", b"\x30\x03\x02\x01\x01", bytes(40)], ids=len)
def test_a_certificate_that_nobody_can_read_fails(spoilt: bytes) -> None:
    with Peer(says(_hello(spoilt))) as peer:
        verdict = said("TLS-1", question(peer.host))
    assert verdict.status is Status.FAIL
    assert "openssl s_client -connect 127.0.0.1:" in verdict.fix


def _hello(certificate: bytes) -> bytes:
    """ServerHello of TLS 1.2 and a message with one certificate of these bytes."""
    hello = bytes.fromhex("0303") + bytes(32) + bytes.fromhex("00c02f000005ff01000100")
    one = len(certificate).to_bytes(3, "big") + certificate
    both = ((2, hello), (11, len(one).to_bytes(3, "big") + one))
    body = b"".join(bytes([kind]) + len(said).to_bytes(3, "big") + said for kind, said in both)
    return bytes.fromhex("160303") + len(body).to_bytes(2, "big") + body


def test_a_chain_longer_than_any_is_not_looked_at(tmp_path: Path) -> None:
    root, leaf, *others = line(ROOT, HERE, *(replace(ROOT, subject=f"{n}") for n in range(20)))
    with presenting(tmp_path, leaf, *others) as fake:
        verdict = said("TLS-1", asking(fake, trust(tmp_path, root)))
    assert verdict.status is Status.FAIL
    assert "it sends 21 certificates" in verdict.summary


# --- several addresses ------------------------------------------------------------------------


@pytest.mark.parametrize("names", [dns("other.example"), dns(HOST)], ids=["bad", "good"])
def test_a_name_is_as_good_as_the_worst_of_its_addresses(
    names: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, leaf, other = (*line(ROOT, LEAF), line(ROOT, replace(LEAF, names=names))[1])
    at_both(monkeypatch)
    directory = tmp_path / "beside"
    directory.mkdir()
    with presenting(tmp_path, leaf) as fake, beside(fake, server(directory, other)):
        verdict = said("TLS-1", question(by_name(fake), trust(tmp_path, root)))
    assert (verdict.status is Status.FAIL) == (names == dns("other.example"))
    assert ("at ::1: the certificate is for DNS:other.example" in verdict.summary) == (
        verdict.status is Status.FAIL
    )


def test_an_address_that_takes_connections_and_shakes_no_hands_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, leaf = line(ROOT, LEAF)
    at_both(monkeypatch)
    with presenting(tmp_path, leaf) as fake, beside(fake, None):
        verdict = said("TLS-1", question(by_name(fake), trust(tmp_path, root)))
    assert verdict.status is Status.FAIL
    assert "at ::1: no TLS" in verdict.summary
    assert "out of DNS" in verdict.fix


def test_the_first_certificate_to_expire_may_be_at_another_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, leaf = line(ROOT, LEAF)
    old = line(ROOT, replace(LEAF, subject="old", days=(-10, 3)))[1]
    at_both(monkeypatch)
    directory = tmp_path / "beside"
    directory.mkdir()
    with presenting(tmp_path, leaf) as fake, beside(fake, server(directory, old)):
        verdict = said("TLS-4", question(by_name(fake), trust(tmp_path, root)))
    assert verdict.status is Status.FAIL
    assert "old" in verdict.summary
