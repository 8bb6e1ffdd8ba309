"""Chains of certificates, judged as Go judges them, without a network."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from mirror.preflight.chains import (
    Chain,
    judged,
    matches,
    refusals,
    strict_complaint,
    weakness,
)
from mirror.preflight.member import Key, Unreadable, members
from tests.fakes import certificates
from tests.fakes.certificate_cases import CASES, Case
from tests.fakes.certificates import HOST, LEAF, MIDDLE, ROOT, Made, dns, ip, line
from tests.mirror.oci.documents import steady

NOW = datetime.now(UTC)


def chain(sent: Sequence[Made], trusted: Sequence[Made], now: datetime = NOW) -> Chain:
    anchors = [x509.load_der_x509_certificate(each.der) for each in trusted]
    return judged(members([each.der for each in sent]), anchors, now)


def facts(found: Chain, host: str = HOST) -> list[str]:
    return [each.fact for each in refusals(found, host)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_go_refuses_is_refused_and_little_more(case: Case) -> None:
    found = chain(*case.made())
    accepted = not refusals(found, case.host)
    assert not found.undecided
    assert accepted == (case.go and case.name not in WEAK)


WEAK = {"rsa1024-leaf", "rsa1024-intermediate", "rsa2047-leaf"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("expired-leaf", "'CN=server' expired on"),
        ("not-yet-valid-leaf", "'CN=server' is valid only from"),
        ("expired-intermediate", "'CN=middle' expired on"),
        ("missing-intermediate", "issued by 'CN=middle', which is neither sent nor trusted"),
        ("selfsigned-leaf-unknown", "is self-signed, and not trusted itself"),
        ("cn-only-no-san", "no name at all that counts"),
        ("ip-as-dns-san", "for DNS:10.0.0.1, and not for IP:10.0.0.1"),
        ("eku-client-only", "extendedKeyUsage without serverAuth"),
        ("intermediate-eku-no-server-auth", "extendedKeyUsage without serverAuth"),
        ("sha1-leaf", "'CN=server' is signed over SHA1"),
        ("sha1-intermediate", "'CN=middle' is signed over SHA1"),
        ("ca-false", "basicConstraints.cA"),
        ("ca-no-basic-constraints", "no basicConstraints"),
        ("ca-ku-no-certsign", "keyUsage without keyCertSign"),
        ("pathlen-violation", "path length"),
        ("name-constraint-violation", "name constraints"),
        ("unknown-critical-extension", "critical extension 1.3.6.1.4.1.99999.1"),
        ("rsa1024-intermediate", "'CN=middle' is RSA 1024, below 2048 bits"),
        ("k256-leaf", "EC secp256k1, a curve that Go does not have"),
    ],
)
def test_one_sentence_says_what_is_wrong(name: str, words: str) -> None:
    case = next(case for case in CASES if case.name == name)
    found = facts(chain(*case.made()), case.host)
    assert len(found) == 1
    assert words in found[0]


def test_everything_that_is_wrong_is_told() -> None:
    root, leaf = line(ROOT, replace(LEAF, names=dns("other.example"), days=(-9, -1), key="rsa1024"))
    assert [words for fact in facts(chain([leaf], [root])) for words in WRONG if words in fact] == [
        "expired",
        "RSA 1024",
        "other.example",
    ]


WRONG = ("expired", "RSA 1024", "other.example")


def test_nothing_is_trusted_by_nobody() -> None:
    root, leaf = line(ROOT, LEAF)
    assert facts(chain([leaf, root], []))


def test_an_authority_made_anew_under_its_old_name_is_told_from_the_old_one() -> None:
    _root, leaf = line(ROOT, LEAF)
    *_, before = line(LEAF, LEAF, ROOT)
    assert "only by its name" in facts(chain([leaf], [before]))[0]


def test_the_expired_root_counts_too() -> None:
    root, middle, leaf = line(replace(ROOT, days=(-9, -1)), MIDDLE, LEAF)
    assert "'CN=root' expired" in facts(chain([leaf, middle], [root]))[0]


# --- what the verifier does not know, and Go does (measured with Go 1.26) ----------------------

_POLICIES = x509.CertificatePolicies(
    [x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]
)
_PLACE = x509.UniformResourceIdentifier("http://ca.example/crl")
_LISTS = x509.CRLDistributionPoints([x509.DistributionPoint([_PLACE], None, None, None)])


@pytest.mark.parametrize("extension", [_POLICIES, _LISTS], ids=["policies", "CRL places"])
@pytest.mark.parametrize("place", [1, 2])
def test_a_critical_extension_that_go_knows_is_left_to_openssl(
    extension: x509.ExtensionType, place: int
) -> None:
    shapes = [ROOT, MIDDLE, LEAF]
    shapes[place] = replace(shapes[place], extra=((extension, True),))
    root, middle, leaf = line(*shapes)
    found = chain([leaf, middle], [root])
    assert found.undecided
    assert not facts(found)


@pytest.mark.parametrize("place", [0, 1])
def test_an_authority_with_an_ed25519_key_is_left_to_openssl(place: int) -> None:
    shapes = [ROOT, MIDDLE, LEAF]
    shapes[place] = replace(shapes[place], key="ed25519")
    root, middle, leaf = line(*shapes)
    assert chain([leaf, middle], [root]).undecided
    assert not chain([leaf, middle], []).undecided


def test_what_openssl_must_judge_is_not_excused_from_the_rest() -> None:
    expired = replace(LEAF, days=(-9, -1), names=dns("other.example"))
    root, leaf = line(replace(ROOT, key="ed25519"), expired)
    assert len(facts(chain([leaf], [root]))) == 2


# --- stricter clients -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ca-no-ku", "leaf-no-aki", "ca-bc-not-critical", "leaf-ca-true"])
def test_what_the_public_web_asks_for_besides_is_told(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    found = chain(*case.made())
    assert not refusals(found, case.host)
    assert strict_complaint(found, case.host)


@pytest.mark.parametrize("name", ["root-also-sent", "ip-san", "san-underscore", "ca-no-ski"])
def test_and_nothing_where_there_is_nothing(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    assert strict_complaint(chain(*case.made()), case.host) == ""


# --- the parts --------------------------------------------------------------------------------


def test_the_line_is_found_in_any_order_and_told_from_what_is_not_needed() -> None:
    root, middle, second, leaf, stranger = line(
        ROOT, MIDDLE, replace(MIDDLE, subject="second"), LEAF, replace(ROOT, subject="stranger")
    )
    found = chain([leaf, stranger, root, middle, second], [root])
    subjects = ["'CN=server'", "'CN=second'", "'CN=middle'", "'CN=root'"]
    assert [each.subject for each in found.line] == subjects
    assert found.rooted


def test_members_reach_up_to_what_is_trusted() -> None:
    root, middle, leaf = line(ROOT, MIDDLE, replace(LEAF, days=(-9, -1)))
    found = chain([leaf, middle], [root])
    assert not found.path
    assert [each.subject for each in found.members] == ["'CN=server'", "'CN=middle'", "'CN=root'"]


@pytest.mark.parametrize(
    ("names", "host", "good"),
    [
        (dns("*.example"), "registry.example", True),
        (dns("*.Example"), "REGISTRY.example.", True),
        (dns("*"), "registry", False),
        (dns("*.example"), ".example", False),
        (dns("registry.*"), "registry.example", False),
        (dns(""), "", False),
        (ip("::ffff:10.0.0.1"), "10.0.0.1", True),
        (ip("fd00::1"), "[fd00::1]", True),
        (ip("10.0.0.1"), "010.0.0.1", False),
        (dns("10.0.0.1"), "10.0.0.1", False),
    ],
)
def test_names_are_compared_as_go_compares_them(
    names: certificates.Names, host: str, good: bool
) -> None:
    (made,) = line(replace(LEAF, names=names))
    (leaf,) = members([made.der])
    assert matches(leaf, host) == good


def test_a_name_is_not_mended_before_it_is_compared() -> None:
    (made,) = line(replace(LEAF, names=dns("registry\x00.example", "registry.example\n")))
    (leaf,) = members([made.der])
    assert not matches(leaf, HOST)
    assert str(leaf).isprintable()


@pytest.mark.parametrize(
    ("key", "good"),
    [
        (Key("RSA", 2048), True),
        (Key("RSA", 2047), False),
        (Key("RSA", 8192), True),
        (Key("RSA", 8200), False),
        (Key("RSA-PSS", 4096), False),
        (Key("EC", curve="P-384"), True),
        (Key("EC", curve="secp256k1"), False),
        (Key("Ed25519"), True),
        (Key("DSA"), False),
    ],
)
def test_keys_are_those_that_go_takes(key: Key, good: bool) -> None:
    assert bool(weakness(key)) != good


# --- what a hostile server may send -----------------------------------------------------------


def _looked_at(sent: Sequence[bytes], anchor: Made) -> None:
    """Everything that a check does with a chain; no exception but Unreadable may come of it."""
    try:
        read = members(sent)
    except Unreadable:
        return
    found = judged(read, [x509.load_der_x509_certificate(anchor.der)], NOW)
    told = [*facts(found), strict_complaint(found, HOST), *map(str, found.members)]
    assert all(each.isprintable() for each in told)
    for code in (7, 9, 10, 18, 20, 62):
        found.explained(code)
    assert isinstance((found.undecided, found.rooted), tuple)


_GOOD = line(ROOT, MIDDLE, LEAF)


@steady
@given(st.data())
def test_a_chain_with_spoilt_bytes_never_raises(data: st.DataObject) -> None:
    root, middle, leaf = _GOOD
    sent = [bytearray(leaf.der), bytearray(middle.der)]
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt = data.draw(st.sampled_from(sent))
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] ^= data.draw(st.integers(1, 255))
    _looked_at([bytes(each) for each in sent], root)


def test_no_single_byte_does_either() -> None:
    root, middle, leaf = _GOOD
    for place in range(len(leaf.der)):
        spoilt = bytearray(leaf.der)
        spoilt[place] ^= 0x1D
        _looked_at([bytes(spoilt), middle.der], root)


@steady
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=3))
def test_what_is_no_certificate_is_unreadable(sent: list[bytes]) -> None:
    with pytest.raises(Unreadable):
        members(sent)


def test_names_that_would_rewrite_a_terminal_are_harmless() -> None:
    nasty = "\x1b]0;owned\x07\u202e" * 4
    root, leaf = line(replace(ROOT, subject=nasty), replace(LEAF, subject=nasty))
    _looked_at([leaf.der], root)
    _looked_at([leaf.der, root.der], line(LEAF, ROOT)[1])


def test_a_ring_of_authorities_ends() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ring = replace(ROOT, subject="ring")
    first = certificates._issue(ring, key, None)
    more = [certificates._issue(replace(ring, own=False), key, first) for _ in range(19)]
    leaf = certificates._issue(LEAF, ec.generate_private_key(ec.SECP256R1()), first)
    (root,) = line(ROOT)
    assert facts(chain([leaf, *more], [root]))


def test_addresses_are_values() -> None:
    (made,) = line(replace(LEAF, names=ip("10.0.0.1")))
    assert members([made.der])[0].addresses == (ipaddress.ip_address("10.0.0.1"),)
