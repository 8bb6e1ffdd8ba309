"""The rules by which a client's fate is told, over whatever a registry might answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mirror.preflight.clients import (
    CLIENTS,
    OF_TKG,
    Answers,
    Dance,
    challenges_of,
    first_of,
    outcomes,
)
from mirror.registry.challenge import Challenge, parse_challenges
from mirror.registry.probe import Answer
from mirror.settings import MAX_CHALLENGES

BEARER = 'Bearer realm="https://h/token",service="s"'
names = st.text("abcdefgh", min_size=1, max_size=6)
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
statuses = st.sampled_from([200, 204, 400, 401, 403, 404, 405, 412])
headers = st.lists(
    st.sampled_from([BEARER, 'Basic realm="x"', "Negotiate", "", "bearer realm=https://h/t"])
    | st.text(max_size=30),
    max_size=4,
).map(tuple)


def answer(status: int, *challenges: str) -> Answer:
    """A 200 brings a manifest."""
    body = b'{"schemaVersion": 2}' if status == 200 else b""
    return Answer(status, {"www-authenticate": challenges} if challenges else {}, body)


def danced(root: Answer, bare: Answer, token: int, manifest: int, trouble: str) -> Answers:
    """Answers in which each Bearer challenge came to the same."""
    asked = [
        each
        for one in (root, bare)
        for each in challenges_of(one.headers.get("www-authenticate", ()))
        if each.scheme == "bearer"
    ]
    dances = tuple(
        Dance(each, trouble)
        if trouble
        else Dance(each, token=answer(token), manifest=answer(manifest) if token == 200 else None)
        for each in asked
    )
    return Answers(root, bare, bare, dances, None)


@given(statuses, headers, statuses, headers, statuses, statuses, st.sampled_from(["", "no place"]))
def test_whatever_is_answered_each_client_has_an_outcome_and_each_failure_a_reason(
    root: int,
    at_root: tuple[str, ...],
    bare: int,
    at_bare: tuple[str, ...],
    token: int,
    manifest: int,
    trouble: str,
) -> None:
    found = danced(answer(root, *at_root), answer(bare, *at_bare), token, manifest, trouble)
    fared = outcomes(found)
    assert [each.client for each in fared] == list(CLIENTS)
    assert all(each.works or each.why for each in fared)


@given(statuses, headers)
def test_an_open_registry_lets_all_of_tkg_in_whatever_it_says_beside(
    status: int, said: tuple[str, ...]
) -> None:
    """Rule a: 200 at /v2/ and 200 for the manifest, both without Authorization."""
    found = danced(answer(200, *said), answer(200), status, status, "")
    assert all(each.works for each in outcomes(found) if each.client in OF_TKG)


def test_one_bearer_challenge_and_a_token_for_anybody_let_all_in() -> None:
    """Rule b."""
    found = danced(answer(401, BEARER), answer(401, BEARER), 200, 200, "")
    assert all(each.works for each in outcomes(found))


def test_where_a_client_would_be_sent_elsewhere_it_is_not_guessed() -> None:
    root = answer(401, BEARER)
    challenge = first_of(root, "bearer")
    assert challenge
    dance = Dance(challenge, "it is elsewhere", unsure=True)
    found = Answers(root, root, None, (dance,), None)
    assert {each.works for each in outcomes(found)} == {None}


# --- challenges as Go reads them ----------------------------------------------------------


@given(st.sampled_from(["Basic", "Bearer"]), st.dictionaries(names, values, min_size=1, max_size=4))
def test_what_is_written_well_both_parsers_read_alike(
    scheme: str, parameters: dict[str, str]
) -> None:
    quoted = {
        key: text.replace("\\", "\\\\").replace('"', '\\"') for key, text in parameters.items()
    }
    header = f"{scheme} " + ",".join(f'{key}="{text}"' for key, text in quoted.items())
    assert challenges_of([header]) == parse_challenges([header])
    assert challenges_of([header]) == (Challenge(scheme.lower(), parameters),)


@given(st.lists(st.text(max_size=200), max_size=8))
def test_garbage_is_read_without_a_fault_and_no_more_than_is_looked_at(lines: list[str]) -> None:
    assert len(challenges_of(lines)) <= MAX_CHALLENGES


def test_a_value_without_quotes_ends_at_the_first_character_that_is_no_token() -> None:
    (found,) = challenges_of(["bearer realm=https://h/token,service=s"])
    assert found == Challenge("bearer", {"realm": "https"})


def test_a_header_line_has_one_challenge() -> None:
    assert [each.scheme for each in challenges_of([f'Basic realm="x", {BEARER}'])] == ["basic"]
    assert [each.scheme for each in challenges_of(['Basic realm="x"', BEARER])] == [
        "basic",
        "bearer",
    ]
