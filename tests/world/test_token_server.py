"""A real registry believes the token service, and judges its tokens itself."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from scripts.world.images import ImageSpec, build
from scripts.world.seed import Seeder
from tests.fakes.registries import PASSWORD, USER
from tests.fakes.token_server import LEEWAY, TokenRegistry

PULL, PUSH = "repository:tkg/x:pull", "repository:tkg/x:pull,push"
TAGS, UPLOADS = "/v2/tkg/x/tags/list", "/v2/tkg/x/blobs/uploads/"


@pytest.fixture
def world(token_registry: TokenRegistry) -> TokenRegistry:
    token_registry.tokens.users[USER] = PASSWORD
    return token_registry


def log_in(
    world: TokenRegistry, *scopes: str, auth: tuple[str, str] | None = None, **more: str
) -> httpx.Response:
    params = httpx.QueryParams({"service": "world", "scope": scopes, **more})
    return httpx.get(f"{world.url}/token", params=params, auth=auth, trust_env=False)


def token(world: TokenRegistry, *scopes: str, user: str = USER) -> str:
    found = log_in(world, *scopes, auth=(user, PASSWORD) if user else None).json()["token"]
    assert isinstance(found, str)
    return found


def status(world: TokenRegistry, path: str, bearer: str, method: str = "GET") -> int:
    headers = {"Authorization": f"Bearer {bearer}"}
    return httpx.request(method, world.url + path, headers=headers, trust_env=False).status_code


def access(bearer: str) -> list[Any]:
    found = json.loads(base64.urlsafe_b64decode(bearer.split(".")[1] + "=="))["access"]
    assert isinstance(found, list)
    return found


def test_the_challenge_leads_to_a_token_that_the_registry_takes(world: TokenRegistry) -> None:
    asked = httpx.get(world.url + TAGS, trust_env=False)
    assert asked.status_code == 401
    assert f'realm="{world.url}/token",service="world"' in asked.headers["WWW-Authenticate"]
    assert f'scope="{PULL}"' in asked.headers["WWW-Authenticate"]
    assert status(world, TAGS, token(world, PULL)) == 404
    assert status(world, TAGS, "garbage") == 401


def test_a_token_grants_what_was_asked_for_and_no_more(world: TokenRegistry) -> None:
    assert status(world, UPLOADS, token(world, PULL), "POST") == 401
    assert status(world, UPLOADS, token(world, PUSH), "POST") == 202
    assert status(world, TAGS, token(world, "repository:tkg/other:pull")) == 401
    both = token(world, PULL, f"repository:tkg/y:pull {PUSH}")
    assert [each["name"] for each in access(both)] == ["tkg/x", "tkg/y", "tkg/x"]


def test_nobody_may_pull_and_not_push(world: TokenRegistry) -> None:
    assert status(world, TAGS, token(world, PUSH, user="")) == 404
    assert status(world, UPLOADS, token(world, PUSH, user=""), "POST") == 401
    world.tokens.anonymous = frozenset()
    assert status(world, TAGS, token(world, PULL, user="")) == 401


def test_rights_are_a_users_own(world: TokenRegistry) -> None:
    world.tokens.users["bob"] = PASSWORD
    world.tokens.rights["bob"] = frozenset({"pull"})
    assert status(world, UPLOADS, token(world, PUSH, user="bob"), "POST") == 401
    assert status(world, UPLOADS, token(world, PUSH), "POST") == 202


def test_over_granted_is_all_that_the_caller_may_do_in_any_order(world: TokenRegistry) -> None:
    world.tokens.over_grant = True
    found = [access(token(world, PULL))[0]["actions"] for _ in range(8)]
    assert {frozenset(each) for each in found} == {frozenset({"pull", "push", "delete"})}
    assert len({tuple(each) for each in found}) > 1
    assert status(world, UPLOADS, token(world, PULL), "POST") == 202
    assert access(token(world, PUSH, user=""))[0]["actions"] == ["pull"]


def test_a_wrong_password_is_refused_or_nobodys(world: TokenRegistry) -> None:
    for user in (USER, "stranger"):
        assert log_in(world, PUSH, auth=(user, "wrong")).status_code == 401
    world.tokens.degrade = True
    degraded = log_in(world, PUSH, auth=(USER, "wrong")).json()["token"]
    assert status(world, TAGS, degraded) == 404
    assert status(world, UPLOADS, degraded, "POST") == 401
    assert [(a.user, a.status) for a in world.tokens.wrong()] == [
        *((USER, 401), ("stranger", 401), (USER, 200))
    ]


def test_every_request_is_written_down(world: TokenRegistry) -> None:
    log_in(world, PULL, auth=(USER, PASSWORD))
    log_in(world, PULL, PUSH)
    first, second = world.tokens.asked
    assert (first.method, first.user, first.secret) == ("GET", USER, PASSWORD)
    assert (second.user, second.secret, second.scopes) == ("", "", (PULL, PUSH))
    assert not world.tokens.wrong()


@pytest.mark.parametrize("ahead", [0, 10_000], ids=["now", "later"])
def test_tokens_end_by_the_registrys_own_judgement(world: TokenRegistry, ahead: int) -> None:
    world.tokens.ahead = ahead
    old = token(world, PULL)
    assert status(world, TAGS, old) == 404
    world.tokens.ahead += world.tokens.life + LEEWAY - 10
    assert status(world, TAGS, old) == 404, "still within the leeway"
    world.tokens.ahead += 12
    assert world.ended == 0
    assert status(world, TAGS, old) == 401
    assert world.ended == 1
    assert status(world, TAGS, token(world, PULL)) == 404
    world.tokens.expire()
    assert status(world, TAGS, old) == 401


def test_an_upload_outlives_its_token(world: TokenRegistry) -> None:
    headers = {"Authorization": f"Bearer {token(world, PUSH)}"}
    begun = httpx.post(world.url + UPLOADS, headers=headers, trust_env=False)
    where = begun.headers["Location"].removeprefix(world.url)
    world.tokens.expire()
    assert status(world, where, headers["Authorization"], "PATCH") == 401
    assert status(world, where, token(world, PUSH)) == 204


@pytest.mark.parametrize("named", ["token", "access_token", "both"])
def test_the_token_stands_where_it_is_told(world: TokenRegistry, named: Any) -> None:
    world.tokens.field = named
    answer = log_in(world, PULL).json()
    filled = {name for name in ("token", "access_token") if answer[name]}
    assert filled == ({"token", "access_token"} if named == "both" else {named})
    assert answer["expires_in"] == world.tokens.life


def test_a_refresh_token_stands_for_its_user(world: TokenRegistry) -> None:
    given = log_in(world, PUSH, auth=(USER, PASSWORD), offline_token="true")
    form = {"grant_type": "refresh_token", "service": "world", "scope": PUSH}
    for refresh, expected in ((given.json()["refresh_token"], 200), ("stolen", 401)):
        data = form | {"refresh_token": refresh}
        answer = httpx.post(f"{world.url}/token", data=data, trust_env=False)
        assert answer.status_code == expected
        if expected == 200:
            assert status(world, UPLOADS, answer.json()["token"], "POST") == 202
    assert [a.user for a in world.tokens.asked] == [USER, USER, "?"]


def test_an_image_goes_in_and_comes_out(world: TokenRegistry) -> None:
    headers = {"Authorization": f"Bearer {token(world, PUSH)}"}
    with httpx.Client(headers=headers, trust_env=False) as client:
        Seeder(world.url, client).put("tkg/x", "v1", build(ImageSpec("x")))
        assert client.get(world.url + TAGS).json()["tags"] == ["v1"]
