"""A CA file is read at once where it is plain, and must then mean what its parser makes of it."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InputFault
from mirror.registry.tls import TlsOptions, _parsed, _plain, later_context
from tests.mirror.oci.documents import steady

CERTIFICATES = [trustme.CA().cert_pem.bytes() for _ in range(3)]
FILE = Path("ca.pem")

gaps = st.sampled_from([b"", b"\n", b"\r\n", b" \t\n", b"\n\n", b"# text\n", b"\xef\xbb\xbf", b"x"])
files = st.lists(st.tuples(gaps, st.sampled_from(CERTIFICATES)), max_size=3).map(
    lambda parts: b"".join(gap + certificate for gap, certificate in parts)
)


def parsed(raw: bytes) -> bytes:
    """What cryptography makes of it; nothing where it refuses it."""
    try:
        return _parsed(FILE, raw, pem=False)
    except InputFault:
        return b""


@steady
@given(files, gaps, st.booleans())
def test_a_plain_file_means_what_the_parser_makes_of_it(raw: bytes, end: bytes, bare: bool) -> None:
    raw = raw.rstrip() + end if bare else raw + end
    assert _plain(raw) in (b"", parsed(raw))


@steady
@given(st.data())
def test_a_changed_byte_is_never_read_as_another_certificate_than_the_parser_reads(
    data: st.DataObject,
) -> None:
    raw = bytearray(CERTIFICATES[0])
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found, right = _plain(bytes(raw)), parsed(bytes(raw))
    # What the parser refuses, OpenSSL may refuse too: it is asked in any case.
    assert not (found and right) or found == right


def test_what_authorities_hand_out_needs_no_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes 40 ms to be loaded."""
    path = tmp_path / "ca.pem"
    path.write_bytes(CERTIFICATES[0] + b"\n" + CERTIFICATES[1].replace(b"\n", b"\r\n"))
    monkeypatch.setitem(sys.modules, "cryptography", None)
    made = later_context(TlsOptions([path]))
    assert made.cert_store_stats()["x509_ca"] == 2


def test_padding_that_is_not_needed_is_left_to_the_parser() -> None:
    raw = CERTIFICATES[0]
    end = raw.rindex(b"\n-----END")
    assert _plain(raw[:end] + b"==" + raw[end:]) == b""


def test_what_is_wrong_with_a_certificate_is_told_in_the_parsers_words(tmp_path: Path) -> None:
    """OpenSSL has none for it."""
    path = tmp_path / "junk.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(b"\x30\x82\x01\x00" + bytes(256)))
    assert _plain(path.read_bytes())
    with pytest.raises(InputFault) as caught:
        later_context(TlsOptions([path]))
    assert "parsing" in caught.value.fact


def test_two_certificates_glued_together_are_not_one(tmp_path: Path) -> None:
    """OpenSSL's own reader passes over the second one without a word."""
    path = tmp_path / "ca.pem"
    path.write_bytes(CERTIFICATES[0].rstrip() + CERTIFICATES[1])
    assert later_context(TlsOptions([path])).cert_store_stats()["x509_ca"] == 2
