"""TLS-7: versions and suites, each from a server that has just those."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.preflight.handshakes import Shaken
from mirror.preflight.interface import Status, Verdict
from mirror.preflight.protocols import Offer, Versions, _old, offer
from mirror.registry.tls import HandshakeFailed
from tests.fakes.certificates import MIDDLE, ROOT, Shape, line
from tests.fakes.registries import absent
from tests.mirror.preflight.safe import HERE, Adjust, asking, presenting, question, said, trust

V = ssl.TLSVersion


def between(lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> Adjust:
    def adjust(context: ssl.SSLContext) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = lowest, highest

    return adjust


def only_suites(names: str) -> Adjust:
    def adjust(context: ssl.SSLContext) -> None:
        context.maximum_version = V.TLSv1_2
        context.set_ciphers(f"{names}:@SECLEVEL=0")

    return adjust


def told(
    directory: Path,
    adjust: Adjust = lambda _context: None,
    *,
    fips: bool = False,
    leaf: Shape = HERE,
    root: Shape = ROOT,
) -> Verdict:
    top, middle, made = line(root, MIDDLE, leaf)
    with presenting(directory, made, middle, adjust=adjust) as fake:
        return said("TLS-7", asking(fake, trust(directory, top), fips=fips))


@pytest.mark.parametrize("fips", [False, True])
def test_an_ordinary_server_passes(fips: bool, tmp_path: Path) -> None:
    verdict = told(tmp_path, between(V.TLSv1_2, V.TLSv1_3), fips=fips)
    assert verdict.status is Status.PASS
    assert verdict.detail.splitlines() == [
        "TLS 1.3: offered",
        "TLS 1.2: offered",
        "TLS 1.1: not offered",
        "TLS 1.0: not offered",
    ]


@pytest.mark.parametrize("fips", [False, True])
def test_tls_1_2_alone_passes(fips: bool, tmp_path: Path) -> None:
    assert told(tmp_path, between(V.TLSv1_2, V.TLSv1_2), fips=fips).status is Status.PASS


@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize(
    ("lowest", "names"), [(V.TLSv1, "TLS 1.1 and TLS 1.0"), (V.TLSv1_1, "TLS 1.1")]
)
def test_old_versions_are_a_warning(
    lowest: ssl.TLSVersion, names: str, fips: bool, tmp_path: Path
) -> None:
    verdict = told(tmp_path, between(lowest, V.TLSv1_3), fips=fips)
    assert verdict.status is Status.WARN
    assert f"it speaks {names} too" in verdict.summary
    assert "ssl_protocols TLSv1.2 TLSv1.3" in verdict.fix


def test_nothing_but_old_versions_fails(tmp_path: Path) -> None:
    verdict = told(tmp_path, between(V.TLSv1, V.TLSv1_1))
    assert verdict.status is Status.FAIL
    assert "TLS 1.0: offered" in verdict.detail


def test_tls_1_3_alone_is_a_warning_and_a_failure_for_fips(tmp_path: Path) -> None:
    only = between(V.TLSv1_3, V.TLSv1_3)
    assert told(tmp_path, only).status is Status.WARN
    verdict = told(tmp_path, only, fips=True)
    assert verdict.status is Status.FAIL
    assert "nothing newer than TLS 1.2" in verdict.summary


@pytest.mark.parametrize(
    ("suites", "anyone", "fips"),
    [
        ("ECDHE+AESGCM", Status.PASS, Status.PASS),
        ("ECDHE+CHACHA20", Status.PASS, Status.FAIL),
        ("ECDHE+AES+SHA1", Status.PASS, Status.FAIL),
        ("RSA+AESGCM", Status.PASS, Status.FAIL),
        ("ECDHE-RSA-AES128-SHA256", Status.FAIL, Status.FAIL),
    ],
)
def test_suites_are_those_that_go_has(
    suites: str, anyone: Status, fips: Status, tmp_path: Path
) -> None:
    leaf = replace(HERE, key="rsa2048", usage=frozenset({"digital_signature", "key_encipherment"}))
    assert told(tmp_path, only_suites(suites), leaf=leaf).status is anyone
    verdict = told(tmp_path, only_suites(suites), leaf=leaf, fips=True)
    assert verdict.status is fips
    assert verdict.status is Status.PASS or "AES" in verdict.fix or "AES" in verdict.summary


def test_another_curve_alone_fails_for_fips(tmp_path: Path) -> None:
    leaf = replace(HERE, key="rsa2048")
    verdict = told(tmp_path, lambda each: each.set_ecdh_curve("secp521r1"), leaf=leaf, fips=True)
    assert verdict.status is Status.FAIL
    assert "no curve of P-256 and P-384" in verdict.summary
    verdict = told(tmp_path, lambda each: each.set_ecdh_curve("secp384r1"), leaf=leaf, fips=True)
    assert verdict.status is Status.PASS


@pytest.mark.parametrize(
    ("leaf", "root", "status"),
    [
        ("ed25519", "P-256", Status.FAIL),
        ("rsa2047", "P-256", Status.FAIL),
        ("P-256", "ed25519", Status.FAIL),
        ("P-384", "P-256", Status.PASS),
        ("P-521", "P-256", Status.PASS),
        ("rsa3072", "P-256", Status.PASS),
    ],
)
def test_keys_of_the_chain_are_those_of_fips(
    leaf: str, root: str, status: Status, tmp_path: Path
) -> None:
    shapes = {"leaf": replace(HERE, key=leaf), "root": replace(ROOT, key=root)}
    adjust = between(V.TLSv1_2, V.TLSv1_3)
    assert told(tmp_path, adjust, leaf=shapes["leaf"], root=shapes["root"]).status is Status.PASS
    verdict = told(tmp_path, adjust, fips=True, leaf=shapes["leaf"], root=shapes["root"])
    assert verdict.status is status


# --- X25519 alone, which Python's servers cannot be told --------------------------------------


@contextmanager
def openssl(directory: Path, *options: str) -> Iterator[str]:
    """The test server of OpenSSL, at a port of its choice."""
    if shutil.which("openssl") is None:
        absent("openssl is not installed")
    pem = str(directory / "server.pem")
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-key", pem, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            while not (said := running.stdout.readline()).startswith(b"ACCEPT"):
                assert said, "it ended"
            yield said.split()[1].decode()
        finally:
            running.terminate()


def test_x25519_alone_fails_for_fips(tmp_path: Path) -> None:
    root, leaf = line(ROOT, replace(HERE, key="rsa2048"))
    (tmp_path / "server.pem").write_bytes(leaf.key_pem + leaf.pem)
    with openssl(tmp_path, "-groups", "X25519") as host:
        tls = trust(tmp_path, root)
        verdict = said("TLS-7", question(host, tls, fips=True))
        assert said("TLS-7", question(host, tls)).status is Status.PASS
    assert verdict.status is Status.FAIL
    assert "no curve of P-256 and P-384" in verdict.summary


# --- what this side cannot do -----------------------------------------------------------------


def _failed(reason: str) -> OSError:
    cause = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1006)")
    cause.reason = reason
    failed = HandshakeFailed(cause, None, "")
    failed.__cause__ = cause
    return failed


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (None, Offer.YES),
        (_failed("TLSV1_ALERT_PROTOCOL_VERSION"), Offer.NO),
        (_failed("SSLV3_ALERT_HANDSHAKE_FAILURE"), Offer.NO),
        (_failed("UNSUPPORTED_PROTOCOL"), Offer.NO),
        (ConnectionResetError(), Offer.NO),
        (_failed("NO_PROTOCOLS_AVAILABLE"), Offer.UNTOLD),
        (_failed("NO_CIPHERS_AVAILABLE"), Offer.UNTOLD),
        (TimeoutError("timed out"), Offer.UNTOLD),
        (ConnectionRefusedError(), Offer.UNTOLD),
    ],
)
def test_what_fails_on_this_side_is_no_answer(error: OSError | None, found: Offer) -> None:
    assert offer(Shaken("127.0.0.1", error=error)) is found


def test_an_old_version_that_cannot_be_asked_for_is_no_pass() -> None:
    offers = dict.fromkeys(("TLS 1.3", "TLS 1.2"), Offer.YES)
    found = Versions({**offers, "TLS 1.1": Offer.UNTOLD, "TLS 1.0": Offer.NO})
    verdict = _old(found, list(offers))
    assert verdict.unknown
    assert "whether TLS 1.1 too cannot be told" in verdict.summary
    assert "openssl s_client" in verdict.fix
