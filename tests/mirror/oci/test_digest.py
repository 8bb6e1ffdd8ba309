from __future__ import annotations

import hashlib
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirror.oci.digest import Digest
from tests.mirror.oci.documents import DIGEST, HEX, refusal, steady


@pytest.mark.parametrize(
    "text",
    [
        f"sha256:{HEX.upper()}",
        f"SHA256:{HEX}",
        f"sha256-{HEX}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX}\n",
        f" sha256:{HEX}",
        f"sha256: {HEX[1:]}",
        f"sha512:{HEX}{HEX}",
        f"blake3:{HEX}",
        f"sha256+b64u:{HEX}",
        "sha256:../../../../etc/passwd",
        f"sha256:../{HEX[3:]}",
        f"sha256:{HEX[:-1]}\0",
        "sha256:" + "٣" * 64,
        "sha256:",
        HEX,
        "",
        None,
        7,
        10**5000,
        True,
        ["sha256", HEX],
        DIGEST.encode(),
    ],
    ids=lambda text: ascii(text)[:30] if not isinstance(text, int) else type(text).__name__,
)
def test_whatever_is_not_lower_case_sha256_is_refused(text: object) -> None:
    refusal(Digest.parse, text)


def test_a_refusal_quotes_little_of_an_endless_text() -> None:
    assert len(refusal(Digest.parse, "x" * 10**6)) < 200


@steady
@given(st.binary())
def test_the_digest_of_bytes_is_their_sha256_and_reads_back(content: bytes) -> None:
    digest = Digest.of(content)
    assert str(digest) == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert Digest.parse(str(digest)) == digest


@steady
@given(st.text() | st.text(string.hexdigits, min_size=64, max_size=64).map("sha256:".__add__))
@example(DIGEST)
def test_a_text_is_refused_or_comes_back_as_it_was(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except ValueError:
        return
    assert str(digest) == text
    assert set(digest.hex) <= set("0123456789abcdef")
