"""The order of versions: by their numbers, the same in every run, and for whatever text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bom.order import natural
from tests.bom.documents import steady


def test_numbers_are_compared_as_numbers() -> None:
    versions = ["v1.0", "v1.1", "v1.2", "v1.9", "v1.9+vmware.2", "v1.9+vmware.10", "v1.10", "v2"]
    assert sorted(versions[::-1], key=natural) == versions


def test_a_fips_or_patch_release_follows_the_one_it_is_made_of() -> None:
    versions = ["v1.3.1", "v1.3.1-fips.1", "v1.3.1-patch1", "v1.4.0"]
    assert sorted(versions[::-1], key=natural) == versions


def test_a_number_too_long_for_python_is_still_a_number() -> None:
    assert sorted(["v1" + "0" * 5000, "v9"], key=natural) == ["v9", "v1" + "0" * 5000]


@steady
@given(st.lists(st.text(alphabet="v.0123456789-+a²", max_size=12)))
def test_the_order_does_not_depend_on_the_order_before(texts: list[str]) -> None:
    assert sorted(texts, key=natural) == sorted(texts[::-1], key=natural)


@steady
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_any_two_numbers(one: int, other: int) -> None:
    assert (natural(f"v{one}.1") < natural(f"v{other}.1")) is (one < other)
