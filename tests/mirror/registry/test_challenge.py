from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.registry.challenge import Challenge, parse_challenges
from tests.mirror.oci.documents import steady

BEARER = Challenge("bearer", {"realm": "https://h/t", "service": "s", "scope": "repository:a:pull"})
names = st.text("abcdefgh-", min_size=1, max_size=8).filter(lambda name: name != "-")
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@pytest.mark.parametrize(
    "header",
    [
        'Bearer realm="https://h/t",service="s",scope="repository:a:pull"',
        "bearer realm=https://h/t,service=s,scope=repository:a:pull",
        'BEARER  Realm = "https://h/t" ,  SERVICE=s,, scope="repository:a:pull",',
        'Bearer realm="https:\\/\\/h/t", service="s", scope="repository:a:pull"',
        'Bearer realm="https://h/t",service="s",scope="repository:a:pull",realm="https://evil/"',
    ],
    ids=["plain", "unquoted-as-zot", "odd-blanks-and-cases", "escapes", "realm-twice"],
)
def test_one_challenge_in_any_spelling(header: str) -> None:
    assert parse_challenges([header]) == (BEARER,)


@pytest.mark.parametrize(
    "headers",
    [
        ['Basic realm="x, Bearer", Bearer realm="https://h/t"'],
        ['Basic realm="x, Bearer"', 'Bearer realm="https://h/t"'],
    ],
    ids=["in-one-header", "in-two"],
)
def test_several_challenges_and_commas_inside_quotes(headers: list[str]) -> None:
    basic = Challenge("basic", {"realm": "x, Bearer"})
    assert parse_challenges(headers) == (basic, Challenge("bearer", {"realm": "https://h/t"}))


def test_several_actions_of_a_scope_stay_together() -> None:
    (found,) = parse_challenges(['Bearer scope="repository:a:pull,push repository:b:pull"'])
    assert found.parameters["scope"] == "repository:a:pull,push repository:b:pull"


@pytest.mark.parametrize("header", ["", ",", " ", '"', 'realm="https://h/t"', "=", "\x00", "é=é"])
def test_what_is_no_challenge_is_none(header: str) -> None:
    assert not [c for c in parse_challenges([header]) if c.scheme in ("basic", "bearer")]


@pytest.mark.parametrize("piece", ["a", " ", "a ", '"', 'a="', "a=\\", ",", "a =", '\\"', "=/"])
def test_a_header_made_to_take_long_does_not(piece: str) -> None:
    before = time.process_time()
    parse_challenges(['Bearer realm="x",' + piece * 1_000_000])
    assert time.process_time() - before < 0.5


@steady
@given(st.text(), st.text())
def test_any_text_is_taken_without_a_crash(one: str, two: str) -> None:
    for challenge in parse_challenges([one, f"Bearer {two}"]):
        assert challenge.scheme == challenge.scheme.lower()


@steady
@given(st.dictionaries(names, values, max_size=4))
def test_quoted_values_come_back_as_they_were(parameters: dict[str, str]) -> None:
    escaped = {k: v.replace("\\", "\\\\").replace('"', '\\"') for k, v in parameters.items()}
    header = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in escaped.items())
    assert parse_challenges([header]) == (Challenge("bearer", parameters),)
