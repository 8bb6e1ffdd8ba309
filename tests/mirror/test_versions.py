from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import UsageFault
from mirror.settings import MAX_FACT_SHOWN, MAX_NAMES_SHOWN
from mirror.versions import check, listed, same, tag
from tests.mirror.oci.documents import steady


def test_numbers_are_ordered_by_size_and_not_as_text() -> None:
    found = ["v1.10.0", "v1.9.0", "v1.9.0-fips.1", "v2", "v1.22.11+vmware.2", "1.5"]
    expected = "1.5, v1.9.0, v1.9.0-fips.1, v1.10.0, v1.22.11+vmware.2, v2"
    assert {listed(order) for order in itertools.permutations(found)} == {expected}
    assert listed([]) == "none"


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=300), max_size=60))
@steady
def test_whatever_a_registry_lists_can_be_shown_in_one_line(names: list[str]) -> None:
    line = listed(names)
    assert len(line) <= MAX_FACT_SHOWN + 20
    assert line.isprintable() or not line.isascii()
    assert "\n" not in line


def test_a_number_of_thousands_of_digits_is_no_trouble() -> None:
    assert "v9" in listed(["v" + "9" * 5000])


def test_of_many_the_highest_are_shown() -> None:
    line = listed([f"v{number}" for number in range(MAX_NAMES_SHOWN + 2)])
    assert line.startswith("v2, ")
    assert line.endswith("and 2 more")


@given(st.from_regex(r"v?[0-9]+\.[0-9]+(\+[a-z.0-9-]{1,20})?", fullmatch=True))
@steady
def test_a_version_is_the_same_as_its_tag(version: str) -> None:
    assert same(version, tag(version))
    assert same(version, "v" + version.removeprefix("v"))
    assert not same(version, version + "0")


@pytest.mark.parametrize("text", ["", " ", "a b", "../x", "v1\x1b[2J", "v" * 129, "sha256:ab", "é"])
def test_what_is_no_version_is_a_matter_of_usage(text: str) -> None:
    with pytest.raises(UsageFault) as caught:
        check(text)
    assert "\x1b" not in str(caught.value)
