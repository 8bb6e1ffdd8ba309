"""TLS-8: the authority in a cluster configuration, and what becomes of it."""

from __future__ import annotations

import base64
import textwrap
from dataclasses import replace
from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.preflight.authority import CA, Useless, authorities, decoded
from mirror.preflight.interface import Status, Verdict
from tests.fakes.certificates import MIDDLE, ROOT, Made, line
from tests.fakes.simple import FakeRegistry
from tests.mirror.oci.documents import steady
from tests.mirror.preflight.safe import (
    HERE,
    asking,
    carrying,
    cluster,
    presenting,
    question,
    said,
    trust,
    variable,
)

SKIP = "TKG_CUSTOM_IMAGE_REPOSITORY_SKIP_TLS_VERIFY"
GOOD_ROOT, _GOOD_MIDDLE, _GOOD_LEAF = GOOD = line(ROOT, MIDDLE, HERE)
(STRANGER,) = line(replace(ROOT, subject="stranger", own=True))


def told(directory: Path, **values: str) -> Verdict:
    """About an ordinary chain, with these variables."""
    _root, middle, leaf = GOOD
    with presenting(directory, leaf, middle) as fake:
        return said("TLS-8", asking(fake, config=cluster(**values)))


def pasted(*certificates: Made) -> str:
    return f"{CA}: {variable(*certificates)}"


def test_the_authority_that_signed_it_passes_and_is_ready_to_paste(tmp_path: Path) -> None:
    verdict = told(tmp_path, **{CA: variable(GOOD_ROOT)})
    assert verdict.status is Status.PASS
    assert verdict.detail == pasted(GOOD_ROOT)


def test_what_is_pasted_goes_the_whole_round(tmp_path: Path) -> None:
    root, middle, leaf = GOOD
    with presenting(tmp_path, leaf, middle) as fake:
        first = said("TLS-8", asking(fake, trust(tmp_path, root, STRANGER)))
        name, _colon, text = first.detail.partition(": ")
        second = said("TLS-8", asking(fake, config=cluster(**{name: text})))
    assert first.status is Status.SKIP
    assert "base64 -w0 ca.pem" in first.fix
    assert second.status is Status.PASS


def test_several_authorities_may_be_in_one_file(tmp_path: Path) -> None:
    verdict = told(tmp_path, **{CA: variable(STRANGER, GOOD_ROOT)})
    assert verdict.status is Status.PASS
    assert verdict.detail == pasted(GOOD_ROOT)


def test_without_the_variable_nodes_trust_nothing_of_it(tmp_path: Path) -> None:
    root, middle, leaf = GOOD
    with presenting(tmp_path, leaf, middle) as fake:
        verdict = said("TLS-8", asking(fake, trust(tmp_path, root), config=cluster(A="b")))
    assert verdict.status is Status.FAIL
    assert f"has no {CA}" in verdict.summary
    assert verdict.detail == pasted(root)


def test_a_file_of_this_machine_does_not_reach_the_nodes(tmp_path: Path) -> None:
    root, middle, leaf = GOOD
    with presenting(tmp_path, leaf, middle) as fake:
        asked = asking(fake, trust(tmp_path, root), config=carrying(STRANGER))
        verdict = said("TLS-8", asked)
        assert said("TLS-1", asked).status is Status.PASS
    assert verdict.status is Status.FAIL
    assert "cluster.yaml:7" in verdict.summary
    assert verdict.detail == pasted(root)


def test_what_the_system_trusts_needs_no_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "system.pem"
    path.write_bytes(GOOD_ROOT.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setattr(certifi, "where", lambda: str(path))
    verdict = told(tmp_path, A="b")
    assert verdict.status is Status.PASS
    assert "nodes need no authority" in verdict.summary


@pytest.mark.parametrize("given", [{}, {CA: variable(STRANGER)}], ids=["none", "another"])
def test_what_only_this_machines_store_trusts_no_node_does(
    given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "system.pem"
    path.write_bytes(GOOD_ROOT.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    verdict = told(tmp_path, A="b", **given)
    assert verdict.status is Status.FAIL
    assert "only this machine's own store" in verdict.summary
    assert verdict.detail == pasted(GOOD_ROOT)


def test_a_right_authority_is_not_blamed_for_what_else_is_wrong(tmp_path: Path) -> None:
    root, leaf = line(ROOT, replace(HERE, days=(-9, -1)))
    with presenting(tmp_path, leaf) as fake:
        verdict = said("TLS-8", asking(fake, config=carrying(root)))
    assert verdict.status is Status.FAIL
    assert "known to nodes, and they refuse it all the same" in verdict.summary
    assert verdict.fix == "mend what TLS-1 says"


def test_an_authority_that_openssl_judged_is_pasted_too(tmp_path: Path) -> None:
    root, leaf = line(replace(ROOT, key="ed25519"), HERE)
    with presenting(tmp_path, leaf) as fake:
        verdict = said("TLS-8", asking(fake, config=carrying(root)))
    assert verdict.status is Status.PASS
    assert verdict.detail == pasted(root)


# --- what is no base64 of PEM -----------------------------------------------------------------

_PEM = GOOD_ROOT.pem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (base64.encodebytes(_PEM).decode(), "several lines"),
        (" ".join(textwrap.wrap(base64.b64encode(_PEM).decode(), 76)), "several lines"),
        (base64.urlsafe_b64encode(b"\xff\xfe" + _PEM).decode(), "URL-safe"),
        (base64.b64encode(_PEM).decode() + "A", "no base64"),
        (_PEM.decode(), "PEM as it is"),
        (base64.b64encode(GOOD_ROOT.der).decode(), "not PEM but DER"),
        (base64.b64encode(b"hello").decode(), "not PEM"),
        (base64.b64encode(_PEM[:90] + _PEM[-40:]).decode(), "no good certificate"),
        ("ca.pem", "no base64"),
    ],
)
def test_what_tkg_cannot_decode_fails_and_says_how_to_make_it(
    text: str, words: str, tmp_path: Path
) -> None:
    verdict = told(tmp_path, **{CA: text})
    assert verdict.status is Status.FAIL
    assert f"{CA} (cluster.yaml:7) is" in verdict.summary
    assert words in verdict.summary
    assert "base64 -w0 ca.pem" in verdict.fix
    assert authorities(cluster(**{CA: text})) == b""


def test_the_line_break_that_yaml_leaves_does_no_harm() -> None:
    assert decoded(CA, variable(GOOD_ROOT) + "\n").pem == GOOD_ROOT.pem


def test_a_broken_variable_is_told_whatever_the_registry_does(fake: FakeRegistry) -> None:
    verdict = said("TLS-8", asking(fake, config=cluster(**{CA: "!"})))
    assert verdict.status is Status.FAIL


def test_a_good_one_is_not_judged_without_a_registry(fake: FakeRegistry) -> None:
    assert said("TLS-8", asking(fake, config=carrying(GOOD_ROOT))).unknown
    assert said("TLS-8", question(fake.host)).status is Status.SKIP


@steady
@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(Useless) as caught:
        decoded(CA, text)
    assert str(caught.value).isprintable()


@steady
@given(st.data())
def test_nor_does_a_spoilt_file(data: st.DataObject) -> None:
    raw = bytearray(_PEM)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    authorities(cluster(**{CA: base64.b64encode(raw).decode()}))


# --- what works, and is worth a word ----------------------------------------------------------


@pytest.mark.parametrize("name", ["PROXY_CA_CERT", "TKG_PROXY_CA_CERT"])
def test_a_proxys_authority_replaces_it_silently(name: str, tmp_path: Path) -> None:
    verdict = told(tmp_path, **{CA: variable(GOOD_ROOT), name: variable(STRANGER)})
    assert verdict.status is Status.WARN
    assert f"{name} (cluster.yaml:7) silently replaces {CA}" in verdict.summary
    same = told(tmp_path, **{CA: variable(GOOD_ROOT), name: variable(GOOD_ROOT)})
    assert same.status is Status.PASS


def test_a_proxys_authority_alone_is_what_tkg_uses(tmp_path: Path) -> None:
    assert told(tmp_path, PROXY_CA_CERT=variable(GOOD_ROOT)).status is Status.PASS
    verdict = told(tmp_path, TKG_PROXY_CA_CERT=variable(STRANGER))
    assert verdict.status is Status.FAIL
    assert "with TKG_PROXY_CA_CERT" in verdict.summary


@pytest.mark.parametrize("trusted", [GOOD_ROOT, STRANGER], ids=["trusted", "untrusted"])
def test_verification_that_is_switched_off_is_a_warning(trusted: Made, tmp_path: Path) -> None:
    verdict = told(tmp_path, **{CA: variable(trusted), SKIP: "true"})
    assert verdict.status is Status.WARN
    assert SKIP in verdict.summary
    assert ("without it:" in verdict.summary) == (trusted is STRANGER)
    assert told(tmp_path, **{CA: variable(GOOD_ROOT), SKIP: "false"}).status is Status.PASS


def test_a_private_key_in_it_is_a_warning_and_goes_nowhere(tmp_path: Path) -> None:
    text = base64.b64encode(GOOD_ROOT.key_pem + GOOD_ROOT.pem).decode()
    verdict = told(tmp_path, **{CA: text})
    assert verdict.status is Status.WARN
    assert "holds a private key" in verdict.summary
    assert b"PRIVATE" not in authorities(cluster(**{CA: text}))
    assert text not in verdict.detail


def test_the_registrys_own_certificate_is_an_authority_until_it_is_renewed(tmp_path: Path) -> None:
    (alone,) = line(replace(HERE, own=True))
    with presenting(tmp_path, alone) as fake:
        verdict = said("TLS-8", asking(fake, config=carrying(alone)))
    assert verdict.status is Status.WARN
    assert "every renewal" in verdict.fix


def test_all_that_is_odd_is_in_the_detail(tmp_path: Path) -> None:
    more = {SKIP: "true", "PROXY_CA_CERT": variable(STRANGER)}
    verdict = told(tmp_path, **{CA: variable(GOOD_ROOT), **more})
    assert [name for name in more if name in verdict.detail] == list(more)
