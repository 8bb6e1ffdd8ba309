"""The system's resolver: it may take too long, and names may be none."""

from __future__ import annotations

import pytest

from mirror.registry.lookup import NoAddress, addresses


def test_an_address_is_its_own_answer() -> None:
    assert addresses("127.0.0.1", 443, 5.0) == ("127.0.0.1",)


def test_each_address_of_a_name_is_told_once() -> None:
    found = addresses("localhost", 443, 5.0)
    assert "127.0.0.1" in found
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("host", ["a" * 64, f"{'a' * 64}.example"])
def test_what_is_no_name_has_no_address_and_is_told_in_one_line(host: str) -> None:
    with pytest.raises(NoAddress) as caught:
        addresses(host, 443, 5.0)
    assert str(caught.value).isprintable()
