"""TLS-2 to TLS-7 of a name with several addresses: it is as good as the worst of them."""

from __future__ import annotations

import ssl
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from mirror.preflight.interface import Status, Verdict
from tests.fakes.certificates import LEAF, MIDDLE, ROOT, Made, dns, line, server
from tests.mirror.preflight.safe import at_both, beside, by_name, presenting, question, said, trust

MISUSED = replace(LEAF, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
CHECKS = ("TLS-2", "TLS-3", "TLS-5", "TLS-6", "TLS-7")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Where the other server keeps its key."""
    path = tmp_path / "elsewhere"
    path.mkdir()
    return path


def told(
    check: str, folder: Path, first: list[Made], other: ssl.SSLContext | None, *trusted: Made
) -> Verdict:
    """What a check says where 127.0.0.1 presents ``first``, and ::1 is ``other``."""
    with presenting(folder, *first) as fake, beside(fake, other):
        return said(check, question(by_name(fake), trust(folder, *trusted)))


@pytest.mark.parametrize(
    ("check", "wrong", "words"),
    [
        ("TLS-3", replace(LEAF, names=dns("other.example")), "is for DNS:other.example"),
        ("TLS-5", replace(LEAF, key="rsa1024"), "is RSA 1024"),
        ("TLS-6", MISUSED, "leaves out serverAuth"),
    ],
)
def test_what_is_wrong_at_another_address_alone_fails_and_the_address_is_named(
    check: str,
    wrong: object,
    words: str,
    tmp_path: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_both(monkeypatch)
    root, good = line(ROOT, LEAF)
    bad = line(ROOT, wrong)[1]  # type: ignore[arg-type]
    verdict = told(check, tmp_path, [good], server(elsewhere, bad), root)
    assert verdict.status is Status.FAIL
    assert verdict.summary.startswith("at ::1: ")
    assert words in verdict.summary
    assert verdict.fix
    # And what is wrong at the first is told without one.
    swapped = told(check, tmp_path, [bad], server(elsewhere, good), root)
    assert swapped.status is Status.FAIL
    assert words in swapped.summary
    assert "at ::1" not in swapped.summary


def test_an_intermediate_that_another_address_does_not_send_fails(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_both(monkeypatch)
    root, middle, leaf = line(ROOT, MIDDLE, LEAF)
    verdict = told("TLS-2", tmp_path, [leaf, middle], server(elsewhere, leaf), root)
    assert verdict.unknown or verdict.status is Status.FAIL
    assert verdict.summary.startswith("at ::1: ")
    assert "middle" in verdict.summary


def test_an_old_version_at_another_address_is_told_though_it_has_the_same_certificate(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_both(monkeypatch)
    root, leaf = line(ROOT, LEAF)
    old = server(elsewhere, leaf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
    verdict = told("TLS-7", tmp_path, [leaf], old, root)
    assert verdict.status is Status.WARN
    assert verdict.summary.startswith("at ::1: it speaks TLS 1.1 and TLS 1.0 too")


@pytest.mark.parametrize("check", CHECKS)
def test_two_good_addresses_pass_and_both_are_named(
    check: str, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_both(monkeypatch)
    root, leaf = line(ROOT, LEAF)
    verdict = told(check, tmp_path, [leaf], server(elsewhere, leaf), root)
    assert verdict.status is Status.PASS
    assert verdict.detail.splitlines()[-1] == "looked at 127.0.0.1, ::1"


@pytest.mark.parametrize("check", CHECKS[:-1])
def test_an_address_that_shakes_no_hands_keeps_it_from_a_pass(
    check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_both(monkeypatch)
    root, leaf = line(ROOT, LEAF)
    verdict = told(check, tmp_path, [leaf], None, root)
    assert verdict.unknown
    assert verdict.summary == "at ::1: nothing is to be seen of its certificates: see TLS-1"
    assert verdict.detail.endswith("looked at 127.0.0.1, and not at 1 more")


def test_a_pass_says_at_how_many_addresses_where_one_takes_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_both(monkeypatch)
    root, leaf = line(ROOT, LEAF)
    with presenting(tmp_path, leaf) as fake:
        verdict = said("TLS-7", question(by_name(fake), trust(tmp_path, root)))
    assert verdict.status is Status.PASS
    assert verdict.summary.endswith("(at 1 of 2 addresses)")


def test_more_addresses_than_are_looked_at_are_told(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.preflight.handshakes.MAX_ADDRESSES", 1)
    at_both(monkeypatch)
    root, leaf = line(ROOT, LEAF)
    verdict = told("TLS-3", tmp_path, [leaf], server(elsewhere, leaf), root)
    assert verdict.status is Status.PASS
    assert verdict.summary.endswith("(at 1 of 2 addresses)")
    assert verdict.detail.endswith("looked at 127.0.0.1, and not at 1 more")
