"""TLS-2 to TLS-6, each against what passes, what is a warning and what fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from mirror.preflight.interface import Status, Verdict
from mirror.registry.tls import TlsOptions
from tests.fakes.behaviours import answer
from tests.fakes.certificates import MIDDLE, ROOT, Made, Shape, dns, ip, line
from tests.fakes.simple import FakeRegistry
from tests.mirror.preflight.safe import HERE, asking, cluster, presenting, said, trust

IDS = ["TLS-2", "TLS-3", "TLS-4", "TLS-5", "TLS-6"]


def told(
    check_id: str, directory: Path, sent: list[Made], trusted: list[Made], **more: str
) -> Verdict:
    tls = trust(directory, *trusted) if trusted else TlsOptions()
    with presenting(directory, *sent) as fake:
        return said(check_id, asking(fake, tls, config=cluster(**more)))


def of_leaf(check_id: str, directory: Path, leaf: Shape) -> Verdict:
    """An ordinary chain with this leaf."""
    root, middle, made = line(ROOT, MIDDLE, leaf)
    return told(check_id, directory, [made, middle], [root])


@pytest.mark.parametrize("check_id", IDS)
def test_an_ordinary_chain_passes(check_id: str, tmp_path: Path) -> None:
    assert of_leaf(check_id, tmp_path, HERE).status is Status.PASS


@pytest.mark.parametrize("check_id", IDS)
def test_what_is_not_trusted_is_examined_all_the_same(check_id: str, tmp_path: Path) -> None:
    root, middle, leaf = line(ROOT, MIDDLE, HERE)
    assert told(check_id, tmp_path, [leaf, middle, root], []).status is Status.PASS


@pytest.mark.parametrize("check_id", [*IDS, "TLS-7", "TLS-8"])
def test_in_plain_http_there_is_nothing_to_look_at(check_id: str, fake: FakeRegistry) -> None:
    verdict = said(check_id, asking(fake, plain_http=True))
    assert verdict.status is Status.SKIP
    assert not verdict.unknown


@pytest.mark.parametrize("check_id", [*IDS, "TLS-7"])
def test_without_a_handshake_nothing_can_be_told(check_id: str, fake: FakeRegistry) -> None:
    verdict = said(check_id, asking(fake))
    assert verdict.unknown
    assert "see TLS-1" in verdict.summary


# --- TLS-2 ------------------------------------------------------------------------------------

_COMPANY = "Example Ltd"


def test_an_intermediate_that_is_not_sent_fails(tmp_path: Path) -> None:
    root, _middle, leaf = line(
        replace(ROOT, organisation=_COMPANY), replace(MIDDLE, organisation=_COMPANY), HERE
    )
    verdict = told("TLS-2", tmp_path, [leaf], [root])
    assert verdict.status is Status.FAIL
    assert "an intermediate is missing" in verdict.summary
    assert "fullchain.pem" in verdict.fix


def test_it_works_only_because_the_ca_file_has_the_intermediate(tmp_path: Path) -> None:
    root, middle, leaf = line(ROOT, MIDDLE, HERE)
    for trusted in ([middle], [middle, root], [root, middle]):
        verdict = told("TLS-2", tmp_path, [leaf], trusted)
        assert verdict.status is Status.WARN
        assert "does not send the intermediate 'CN=middle'" in verdict.summary


def test_an_intermediate_that_is_trusted_without_its_root_is_a_warning(tmp_path: Path) -> None:
    root, middle, leaf = line(ROOT, MIDDLE, HERE)
    verdict = told("TLS-2", tmp_path, [leaf, middle], [middle])
    assert verdict.status is Status.WARN
    assert "put the root of the chain into the CA file" in verdict.fix
    assert told("TLS-2", tmp_path, [leaf, middle], [middle, root]).status is Status.PASS


def test_an_issuer_of_whom_nothing_is_known_may_be_either(tmp_path: Path) -> None:
    places = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier("http://pki.example/middle.crt"),
            )
        ]
    )
    _root, _middle, leaf = line(ROOT, MIDDLE, replace(HERE, extra=((places, False),)))
    verdict = told("TLS-2", tmp_path, [leaf], [])
    assert verdict.unknown
    assert "'CN=middle' is neither sent nor trusted" in verdict.summary
    assert "http://pki.example/middle.crt" in verdict.detail


def test_what_clients_put_up_with_is_evidence(tmp_path: Path) -> None:
    root, middle, second, leaf, stranger = line(
        ROOT, MIDDLE, replace(MIDDLE, subject="second"), HERE, replace(ROOT, subject="stranger")
    )
    verdict = told("TLS-2", tmp_path, [leaf, middle, second, root, stranger], [root])
    assert verdict.status is Status.PASS
    assert "in another order" in verdict.detail
    assert "not needed: 'CN=stranger'" in verdict.detail
    assert "the root 'CN=root' is sent too" in verdict.detail


def test_a_self_signed_certificate_is_a_whole_chain(tmp_path: Path) -> None:
    (alone,) = line(replace(HERE, own=True))
    assert told("TLS-2", tmp_path, [alone], [alone]).status is Status.PASS


# --- TLS-3 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        (replace(HERE, names=dns("other.example")), "for DNS:other.example, and not for IP:"),
        (replace(HERE, names=dns("127.0.0.1")), "for DNS:127.0.0.1, and not for IP:127.0.0.1"),
        (replace(HERE, names=(), subject="127.0.0.1"), "no name at all that counts"),
    ],
    ids=["another name", "the address as a name", "a common name alone"],
)
def test_a_certificate_for_something_else_fails(leaf: Shape, words: str, tmp_path: Path) -> None:
    verdict = of_leaf("TLS-3", tmp_path, leaf)
    assert verdict.status is Status.FAIL
    assert words in verdict.summary
    assert "subjectAltName=IP:127.0.0.1" in verdict.fix


def test_the_name_that_clusters_will_use_counts_too(tmp_path: Path) -> None:
    root, leaf = line(ROOT, replace(HERE, names=(*ip("127.0.0.1"), *dns("harbor.example"))))
    for host, status in (("harbor.example", Status.PASS), ("other.example", Status.FAIL)):
        variable = {"TKG_CUSTOM_IMAGE_REPOSITORY": f"{host}/tkg"}
        assert told("TLS-3", tmp_path, [leaf], [root], **variable).status is status
    variable = {"TKG_CUSTOM_IMAGE_REPOSITORY": "https://no reference"}
    assert told("TLS-3", tmp_path, [leaf], [root], **variable).status is Status.PASS


# --- TLS-4 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "status", "words"),
    [
        ((-10, 31), Status.PASS, "in 30 days"),
        ((-10, 29), Status.WARN, "in 28 days"),
        ((-10, 6.5), Status.FAIL, "in 6 days"),
        ((-10, -1), Status.FAIL, "expired on"),
        ((1, 90), Status.FAIL, "valid only from"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_member_counts(
    place: int, days: tuple[float, float], status: Status, words: str, tmp_path: Path
) -> None:
    shapes = [ROOT, MIDDLE, HERE]
    shapes[place] = replace(shapes[place], days=days)
    root, middle, leaf = line(*shapes)
    verdict = told("TLS-4", tmp_path, [leaf, middle], [root])
    assert verdict.status is status
    assert words in verdict.summary
    assert f"CN={shapes[place].subject}" in verdict.summary
    assert len(verdict.detail.splitlines()) == 3


def test_the_registrys_clock_is_named_where_it_is_another(tmp_path: Path) -> None:
    root, leaf = line(ROOT, replace(HERE, days=(1, 90)))
    with presenting(tmp_path, leaf) as fake:
        fake.on("GET", "/v2/", answer(200, Date="Fri, 01 Jan 2100 00:00:00 GMT"))
        verdict = said("TLS-4", asking(fake, trust(tmp_path, root)))
    assert "ahead of this machine's" in verdict.summary
    assert "set the clock that is wrong" in verdict.fix


# --- TLS-5 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "says", "words"),
    [
        (2, {"key": "rsa1024"}, "'CN=server' is RSA 1024"),
        (1, {"key": "rsa1024"}, "'CN=middle' is RSA 1024"),
        (0, {"key": "rsa1024"}, "'CN=root' is RSA 1024"),
    ],
)
def test_a_weak_key_fails_at_any_place(
    place: int, says: dict[str, str], words: str, tmp_path: Path
) -> None:
    shapes = [ROOT, MIDDLE, HERE]
    shapes[place] = replace(shapes[place], **says)  # type: ignore[arg-type]
    root, middle, leaf = line(*shapes)
    verdict = told("TLS-5", tmp_path, [leaf, middle], [root])
    assert verdict.status is Status.FAIL
    assert words in verdict.summary
    assert "RSA key of 2048" in verdict.fix


def test_a_signature_over_sha1_fails_below_the_root_alone(tmp_path: Path) -> None:
    rsa = replace(ROOT, key="rsa2048")
    root, middle, leaf = line(rsa, replace(MIDDLE, digest="sha1"), HERE)
    verdict = told("TLS-5", tmp_path, [leaf, middle], [root])
    assert verdict.status is Status.FAIL
    assert "'CN=middle' is signed over SHA1" in verdict.summary
    root, leaf = line(replace(rsa, digest="sha1"), HERE)
    assert told("TLS-5", tmp_path, [leaf], [root]).status is Status.PASS


# --- TLS-6 ------------------------------------------------------------------------------------

_CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
_ANY = (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)
_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


@pytest.mark.parametrize(
    ("leaf", "status", "words"),
    [
        (replace(HERE, purposes=_CLIENT), Status.FAIL, "leaves out serverAuth"),
        (replace(HERE, extra=((_UNKNOWN, True),)), Status.FAIL, "1.3.6.1.4.1.99999.1"),
        (replace(HERE, purposes=_ANY), Status.WARN, "anyExtendedKeyUsage alone"),
        (replace(HERE, basic=(True, None, True)), Status.WARN, "CA:TRUE"),
        (replace(HERE, usage=frozenset({"crl_sign"})), Status.WARN, "no digitalSignature"),
        (replace(HERE, own=True), Status.WARN, "self-signed"),
        (replace(HERE, usage=None, purposes=(), basic=None), Status.PASS, "a server's"),
    ],
)
def test_a_certificate_for_another_use_is_told(
    leaf: Shape, status: Status, words: str, tmp_path: Path
) -> None:
    verdict = of_leaf("TLS-6", tmp_path, leaf)
    assert verdict.status is status
    assert words in verdict.summary
