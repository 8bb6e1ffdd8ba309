"""Journeys to and from real registries that want tokens or passwords, and judge them themselves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scripts.world.registry import Registry
from tests.fakes.front import Front, Route
from tests.fakes.registries import PASSWORD, USER
from tests.fakes.token_server import TokenRegistry
from tests.flows.cli import run
from tests.flows.real import LOGIN, NAMED, PLAIN, create, push, seed_behind, visible, whole
from tests.flows.real import bundle as bundle


@pytest.fixture
def tokens(token_registry: TokenRegistry) -> TokenRegistry:
    """A registry with token auth that knows USER."""
    token_registry.tokens.users[USER] = PASSWORD
    return token_registry


def statuses(tokens: TokenRegistry, method: str, pattern: str) -> list[int]:
    lines = tokens.registry.requests()
    return [line.status for line in lines if line.method == method and pattern in line.path]


@pytest.mark.parametrize(("pattern", "nth"), [("/manifests/", 3), ("/blobs/", 1), ("/blobs/", 7)])
def test_tokens_that_end_in_the_middle_of_a_create_are_survived(
    bundle: Path, tokens: TokenRegistry, tmp_path: Path, pattern: str, nth: int
) -> None:
    seed_behind(tokens.registry)
    tokens.tokens.anonymous = frozenset()
    tokens.front.before("GET", pattern, tokens.tokens.expire, nth=nth)
    # One worker: the first request has no token yet, the third GET of a manifest has a new one.
    login = (PLAIN, *LOGIN, "-j", 1)
    ran = create(f"{tokens.host}/tkg", tmp_path / "x.tar", *login, stdin=PASSWORD + "\n")
    assert ran.code == 0, ran.err
    assert (tmp_path / "x.tar").read_bytes() == bundle.read_bytes()
    assert tokens.ended
    assert not tokens.tokens.wrong()


@pytest.mark.parametrize(
    ("method", "pattern", "nth"),
    [
        ("POST", "/uploads/", 2),
        ("PUT", "/uploads/", 1),
        ("PUT", "/uploads/", 6),
        ("PUT", "/manifests/", 2),
    ],
)
def test_tokens_that_end_in_the_middle_of_a_push_are_survived(
    bundle: Path, tokens: TokenRegistry, method: str, pattern: str, nth: int
) -> None:
    tokens.front.before(method, pattern, tokens.tokens.expire, nth=nth)
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, stdin=PASSWORD + "\n")
    assert ran.code == 0, ran.err
    assert tokens.ended
    assert visible(tokens.registry.storage) == whole()


def test_tokens_that_end_again_and_again_are_survived(bundle: Path, tokens: TokenRegistry) -> None:
    for nth in (2, 4, 6):
        tokens.front.before("PUT", "/uploads/", tokens.tokens.expire, nth=nth)
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, "-j", 1, stdin=PASSWORD + "\n")
    assert ran.code == 0, ran.err
    assert statuses(tokens, "PUT", "/uploads/").count(401) == 3
    assert visible(tokens.registry.storage) == whole()


def test_over_granted_tokens_under_the_other_name_are_taken(
    bundle: Path, tokens: TokenRegistry
) -> None:
    tokens.tokens.over_grant = True
    tokens.tokens.field = "access_token"
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, stdin=PASSWORD + "\n")
    assert ran.code == 0, ran.err
    assert visible(tokens.registry.storage) == whole()


def test_a_refresh_token_of_the_configuration_is_posted(
    bundle: Path, tokens: TokenRegistry
) -> None:
    tokens.tokens.refresh_tokens["r-canary"] = USER
    configure({"auths": {tokens.host: {"identitytoken": "r-canary"}}})
    ran = push(bundle, tokens.host, PLAIN, "--log-level", "debug")
    assert ran.code == 0, ran.err
    assert {(a.method, a.user) for a in tokens.tokens.asked} == {("POST", USER)}
    assert "r-canary" not in ran.out + ran.err


def test_an_account_that_may_only_pull_is_refused_without_a_loop(
    bundle: Path, tokens: TokenRegistry
) -> None:
    tokens.tokens.rights[USER] = frozenset({"pull"})
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, "-j", 1, stdin=PASSWORD + "\n")
    assert ran.code == 5
    assert statuses(tokens, "POST", "/uploads/") == [401, 401]
    assert visible(tokens.registry.storage) == {}


# --- a wrong password -------------------------------------------------------------------------


def test_a_wrong_password_is_tried_once_by_all_workers_together(
    bundle: Path, tokens: TokenRegistry, tmp_path: Path
) -> None:
    seed_behind(tokens.registry)
    tokens.tokens.anonymous = frozenset()
    wrong = (PLAIN, *LOGIN, "-j", 8)
    made = create(f"{tokens.host}/tkg", tmp_path / "x.tar", *wrong, stdin="no\n")
    assert len(tokens.tokens.wrong()) == 1
    pushed = push(bundle, tokens.host, *wrong, stdin="no\n")
    assert len(tokens.tokens.wrong()) == 2
    for ran in (made, pushed):
        assert ran.code == 5
        assert f"cannot log in at {tokens.host}" in ran.err
        assert "wrong user name, password or token" in ran.err
    assert push(bundle, tokens.host, *wrong, "--keep-going", stdin="no\n").code == 5
    assert len(tokens.tokens.wrong()) == 3


def test_a_wrong_password_that_is_taken_for_nobodys_ends_as_a_refusal(
    bundle: Path, tokens: TokenRegistry
) -> None:
    tokens.tokens.degrade = True
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, stdin="no\n")
    assert ran.code == 5
    assert visible(tokens.registry.storage) == {}


def test_a_wrong_password_for_basic_is_tried_once_too(
    bundle: Path, locked_registry: Registry
) -> None:
    with Front(to(locked_registry)) as front:
        ran = push(bundle, front.host, PLAIN, *LOGIN, "-j", 8, stdin="no\n")
        assert ran.code == 5
        assert len([head for head in front.heads if head.get("Authorization")]) == 1
        right = push(bundle, front.host, PLAIN, *LOGIN, stdin=PASSWORD + "\n")
    assert right.code == 0, right.err
    assert visible(locked_registry.storage) == whole()


def to(registry: Registry) -> Route:
    return lambda head: (registry.port, head)


# --- a helper that is not there ---------------------------------------------------------------


def configure(document: dict[str, object]) -> None:
    """Write docker's config.json of this test."""
    folder = Path(os.environ["DOCKER_CONFIG"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(document))


def test_a_missing_credential_helper_is_told_with_the_refusal(
    bundle: Path, locked_registry: Registry
) -> None:
    configure({"credsStore": "gone"})
    ran = push(bundle, locked_registry.host, PLAIN)
    assert ran.code == 5
    assert ran.err.count("docker-credential-gone") == 1
    assert "not on PATH" in ran.err


def test_a_missing_credential_helper_stops_nobody_who_needs_no_login(
    tokens: TokenRegistry, tmp_path: Path
) -> None:
    seed_behind(tokens.registry)
    configure({"credHelpers": {tokens.host: "gone"}})
    ran = create(f"{tokens.host}/tkg", tmp_path / "x.tar", PLAIN, "--log-format", "json")
    assert ran.code == 0, ran.err
    told = [line for line in map(json.loads, ran.err.splitlines()) if line["level"] == "warning"]
    assert len(told) == 1
    assert "docker-credential-gone" in told[0]["message"]
    plan = run(
        *("bundle", "plan", "--images", tmp_path / "x.txt"),
        *("--rewrite", f"{NAMED}={tokens.host}/tkg", PLAIN),
    )
    assert plan.err.count("docker-credential-gone") == 1
