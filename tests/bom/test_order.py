"""The order of versions: by their numbers, the same in every run, and for whatever text."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bom.order import natural
from tests.bom.documents import steady

TEXTS = st.text(alphabet="v.019-+a²", max_size=8)


def in_order(*versions: str) -> None:
    for before, after in pairwise(versions):
        assert natural(before) < natural(after)


def test_numbers_are_compared_as_numbers() -> None:
    in_order("v1.0", "v1.1", "v1.2", "v1.9", "v1.9+vmware.2", "v1.9+vmware.10", "v1.10", "v2")


def test_a_fips_or_patch_release_follows_the_one_it_is_made_of() -> None:
    in_order("v1.3.1", "v1.3.1-fips.1", "v1.3.1-patch1", "v1.4.0")


def test_a_number_too_long_for_python_is_still_a_number() -> None:
    in_order("v9", "v1" + "0" * 5000)


@steady
@given(TEXTS, TEXTS)
def test_two_texts_have_no_order_only_if_they_are_one(one: str, other: str) -> None:
    assert (natural(one) == natural(other)) is (one == other)
    assert (natural(one) < natural(other)) is not (natural(one) >= natural(other))


@steady
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_any_two_numbers(one: int, other: int) -> None:
    assert (natural(f"v{one}.1") < natural(f"v{other}.1")) is (one < other)
