"""A token's claims are a hint: read where they can be, and no fault where they cannot."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.preflight.claims import actions
from scripts.world.registry import Registry
from tests.fakes.harbor import Harbor
from tests.fakes.token_server import signed

REPOSITORY = "tkg/pause"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def token(claims: object, coded: bytes | None = None) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()) if coded is None else coded
    return f"Bearer e30.{body.rstrip(b'=').decode('latin-1')}.c2ln"


def granting(*allowed: str, name: str = REPOSITORY) -> dict[str, object]:
    return {"access": [{"type": "repository", "name": name, "actions": list(allowed)}]}


def test_the_actions_of_the_repository_are_read() -> None:
    assert actions(token(granting("pull", "push")), REPOSITORY) == frozenset({"pull", "push"})
    assert actions(f"Bearer {signed(granting('pull'))}", REPOSITORY) == frozenset({"pull"})


def test_those_of_another_repository_are_not() -> None:
    assert actions(token(granting("pull", name="tkg/other")), REPOSITORY) == frozenset()


@pytest.mark.parametrize("access", [[], None, [{}], [1], [{"type": "registry"}]])
def test_a_claim_that_grants_nothing_is_an_empty_set(access: object) -> None:
    assert actions(token({"access": access}), REPOSITORY) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        *("", "Bearer opaque", "Bearer a.b", "Bearer a.b.c", "Bearer a.b.c.d", "Bearer .."),
        *("Bearer é.é.é", token({}), token(1), token([]), token(None, b"////")),
        token({"access": "pull"}),
    ],
)
def test_a_token_that_says_nothing_is_none(text: str) -> None:
    assert actions(text, REPOSITORY) is None


@given(st.text(max_size=80))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    actions(text, REPOSITORY)
    actions(f"Bearer a.{text}.c", REPOSITORY)


@given(st.binary(max_size=80))
def test_any_bytes_inside_are_read_without_a_fault(raw: bytes) -> None:
    actions(token(None, base64.urlsafe_b64encode(raw)), REPOSITORY)


@given(json_values)
def test_any_claims_are_read_without_a_fault(value: object) -> None:
    actions(token(value), REPOSITORY)
    actions(token({"access": value}), REPOSITORY)
    actions(token({"access": [{"type": "repository", "name": REPOSITORY, "actions": value}]}), "a")


def test_a_deep_nest_is_no_token() -> None:
    deep = base64.urlsafe_b64encode(b'{"access":' + b"[" * 100_000)
    assert actions(token(None, deep), REPOSITORY) is None


def test_harbors_own(registry: Registry) -> None:
    with Harbor(registry) as harbor:
        harbor.project("tkg", public=True)
        scope = f"repository:{REPOSITORY}:pull"
        assert actions(f"Bearer {harbor.token(scope)}", REPOSITORY) == frozenset({"pull"})
        one = "repository:pause:pull"
        assert actions(f"Bearer {harbor.token(one)}", "pause") == frozenset()
