from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.oci.descriptor import Descriptor, check_size
from mirror.oci.digest import Digest
from tests.mirror.oci.documents import DIGEST, LAYER, descriptor, refusal, steady

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "size",
    [
        -1,
        1.0,
        1e3,
        float("nan"),
        float("inf"),
        True,
        False,
        2**53 + 1,
        2**60,
        "7",
        "",
        None,
        [],
        {},
    ],
)
def test_a_size_that_is_no_number_of_bytes_is_refused(size: object) -> None:
    assert DIGEST in refusal(Descriptor.from_json, descriptor(size=size))


@pytest.mark.parametrize("size", [0, 1, 8 * 2**30, 2**53])
def test_sizes_from_nothing_to_the_largest_exact_integer_are_kept(size: int) -> None:
    assert Descriptor.from_json(descriptor(size=size)).size == size


@pytest.mark.parametrize("absent", ["mediaType", "digest", "size"])
def test_a_member_that_is_missing_is_refused(absent: str) -> None:
    found = descriptor()
    del found[absent]
    refusal(Descriptor.from_json, found)


@pytest.mark.parametrize("media_type", ["", None, 7, [], {}, "a/" + "b" * 254])
def test_a_media_type_that_is_none_is_refused(media_type: object) -> None:
    refusal(Descriptor.from_json, descriptor(mediaType=media_type))


def test_members_that_this_tool_must_not_follow_are_dropped() -> None:
    urls = descriptor(urls=["http://169.254.169.254/"], data="aGk=", annotations={"a": "b"})
    assert Descriptor.from_json(urls) == Descriptor(LAYER, Digest.parse(DIGEST), 7)


def test_a_refusal_quotes_little_of_an_endless_size() -> None:
    assert len(refusal(check_size, "9" * 10**6, "it")) < 200


@steady
@given(anything | st.fixed_dictionaries({"mediaType": anything, "digest": anything}))
def test_any_json_is_a_descriptor_or_a_value_error(value: Any) -> None:
    try:
        assert Descriptor.from_json(value).size >= 0
    except ValueError:
        return
