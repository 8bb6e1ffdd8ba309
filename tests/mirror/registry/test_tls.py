from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from mirror.errors import InputFault, Untrusted
from mirror.registry.tls import TlsOptions, certificates, context, later_context
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import IMAGE, REPOSITORY, TAG, fault_of, reach, seeded


@pytest.fixture(autouse=True)
def filled(safe: FakeRegistry) -> None:
    safe.add(REPOSITORY, TAG, IMAGE)


def works(fake: FakeRegistry, tls: TlsOptions, host: str = "") -> bool:
    with reach(host or fake.host, tls=tls) as client:
        return client.manifest(REPOSITORY, TAG) == seeded()


def refused(fake: FakeRegistry, tls: TlsOptions, host: str = "") -> Untrusted:
    with reach(host or fake.host, tls=tls) as client:
        return fault_of(Untrusted, client.manifest, REPOSITORY, TAG)


def test_an_unknown_authority_is_not_trusted(safe: FakeRegistry) -> None:
    assert refused(safe, TlsOptions())
    assert not safe.requests


def test_skipping_verification_accepts_it(safe: FakeRegistry) -> None:
    assert works(safe, TlsOptions(insecure=True))


def pem(raw: bytes) -> bytes:
    return raw


def coded(raw: bytes) -> bytes:
    return base64.b64encode(raw)


def wrapped(raw: bytes) -> bytes:
    return base64.encodebytes(raw)


def among_others(raw: bytes) -> bytes:
    return b"a comment\n" + trustme.CA().cert_pem.bytes() + raw + raw


def with_line_ends_of_windows(raw: bytes) -> bytes:
    return raw.replace(b"\n", b"\r\n")


def behind_a_byte_order_mark(raw: bytes) -> bytes:
    return b"\xef\xbb\xbf" + raw


def under_a_name_that_is_not_ascii(raw: bytes) -> bytes:
    return "# Autorité de certification\n".encode() + raw


def beside_its_key(raw: bytes) -> bytes:
    return trustme.CA().private_key_pem.bytes() + raw


@pytest.mark.parametrize(
    "spell",
    [
        pem,
        coded,
        wrapped,
        among_others,
        with_line_ends_of_windows,
        behind_a_byte_order_mark,
        under_a_name_that_is_not_ascii,
        beside_its_key,
    ],
)
def test_an_authority_in_a_file_is_trusted_however_it_is_spelt(
    safe: FakeRegistry, ca_file: Path, spell: Callable[[bytes], bytes]
) -> None:
    ca_file.write_bytes(spell(ca_file.read_bytes()))
    assert works(safe, TlsOptions([ca_file]))


def test_several_files_add_up(safe: FakeRegistry, ca_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    assert works(safe, TlsOptions([other, ca_file, ca_file]))
    assert refused(safe, TlsOptions([other]))


def test_an_intermediate_in_the_file_is_an_anchor_as_it_is_to_go(tmp_path: Path) -> None:
    middle = trustme.CA().create_child_ca()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    middle.issue_cert("127.0.0.1").configure_cert(server)
    anchor = tmp_path / "middle.pem"
    middle.cert_pem.write_to_path(str(anchor))
    with FakeRegistry(tls=server) as fake:
        fake.add(REPOSITORY, TAG, IMAGE)
        assert works(fake, TlsOptions([anchor]))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"text",
        b"\x30\x82\x01\x02",
        base64.b64encode(b"no PEM"),
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        base64.b64encode(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ],
)
def test_a_file_that_is_no_authority_is_an_input_fault(
    safe: FakeRegistry, tmp_path: Path, raw: bytes
) -> None:
    path = tmp_path / "wrong.pem"
    path.write_bytes(raw)
    with reach(safe.host, tls=TlsOptions([path])) as client:
        assert "wrong.pem" in fault_of(InputFault, client.manifest, REPOSITORY, TAG).fact


def test_a_file_that_is_not_there_is_an_input_fault(tmp_path: Path, ca_file: Path) -> None:
    absent = tmp_path / "absent.pem"
    fault_of(InputFault, lambda: certificates(absent, pem=True))
    for options in (TlsOptions(cert_file=absent), TlsOptions(cert_file=ca_file, key_file=absent)):
        fault_of(InputFault, context, options)


def test_a_private_key_beside_a_certificate_goes_nowhere(tmp_path: Path) -> None:
    authority = trustme.CA()
    path = tmp_path / "both.pem"
    certificate = authority.cert_pem.bytes()
    path.write_bytes(b"\xef\xbb\xbf" + certificate + authority.private_key_pem.bytes())
    assert certificates(path, pem=True) == certificate


# --- names ------------------------------------------------------------------------------------


def served(certificate: trustme.LeafCert) -> ssl.SSLContext:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(server)
    return server


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_name_that_stands_only_in_the_cn_does_not_count(
    authority: trustme.CA, trust: TlsOptions, name: str
) -> None:
    certificate = authority.issue_cert("other.example", common_name=name)
    with FakeRegistry(tls=served(certificate)) as fake:
        assert "mismatch" in refused(fake, trust, fake.host.replace("127.0.0.1", name)).fact


def test_each_name_needs_its_own_kind_of_entry(authority: trustme.CA, trust: TlsOptions) -> None:
    with FakeRegistry(tls=served(authority.issue_cert("localhost"))) as fake:
        fake.add(REPOSITORY, TAG, IMAGE)
        assert works(fake, trust, fake.host.replace("127.0.0.1", "localhost"))
        assert "mismatch" in refused(fake, trust).fact


@pytest.mark.parametrize("name", ["registry.example", "registry.example."])
def test_the_dot_that_may_end_a_name_is_no_part_of_it(
    authority: trustme.CA, trust: TlsOptions, resolver: None, name: str
) -> None:
    with FakeRegistry(tls=served(authority.issue_cert("registry.example"))) as fake:
        fake.add(REPOSITORY, TAG, IMAGE)
        assert works(fake, trust, fake.host.replace("127.0.0.1", name))


@pytest.mark.parametrize("name", ["registry.example.", b"registry.example."])
def test_nor_is_it_inside_another_tls_connection(name: str | bytes) -> None:
    inside = context(TlsOptions()).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
    assert inside.server_hostname == "registry.example"


def test_an_expired_certificate_is_not_trusted(authority: trustme.CA, trust: TlsOptions) -> None:
    past = authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    with FakeRegistry(tls=served(past)) as fake:
        assert "expired" in refused(fake, trust).fact


# --- client certificates ----------------------------------------------------------------------


@pytest.fixture
def strict(server_context: ssl.SSLContext, authority: trustme.CA) -> ssl.SSLContext:
    """A server that wants to know its clients."""
    server_context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server_context)
    return server_context


def test_a_client_certificate_is_shown(
    strict: ssl.SSLContext, authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    mine = authority.issue_cert("me@example.com")
    certificate, key = tmp_path / "me.pem", tmp_path / "me.key"
    mine.private_key_pem.write_to_path(str(key))
    certificate.write_bytes(b"".join(blob.bytes() for blob in mine.cert_chain_pems))
    with FakeRegistry(tls=strict) as fake:
        fake.add(REPOSITORY, TAG, IMAGE)
        assert works(fake, TlsOptions([ca_file], certificate, key))
        joined = tmp_path / "both.pem"
        joined.write_bytes(mine.private_key_and_cert_chain_pem.bytes())
        assert works(fake, TlsOptions([ca_file], joined))


def test_files_that_are_no_certificate_with_its_key(
    authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    key = tmp_path / "other.key"
    authority.issue_cert("other").private_key_pem.write_to_path(str(key))
    locked = tmp_path / "locked.key"
    locked.write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIH0\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    for private in (key, locked, ca_file, None):
        fault_of(InputFault, context, TlsOptions(cert_file=ca_file, key_file=private))


def test_versions_before_tls_1_2_are_refused() -> None:
    assert context(TlsOptions()).minimum_version == ssl.TLSVersion.TLSv1_2
    assert context(TlsOptions(insecure=True)).minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_systems_authorities_wait_for_the_first_handshake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Plain HTTP needs none of them, and reading them takes 40 ms."""
    read = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: read.append(1))
    made = later_context(TlsOptions())
    assert read == []
    for _ in range(2):
        made.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="registry.example.com")
    assert read == [1]
